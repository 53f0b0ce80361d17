import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Orm } from '../../db/database.ts'
import { findTokenHolder, type PresentedToken } from '../../db/queries/sessions/refresh-tokens.ts'
import { hashToken } from '../shared/secrets.ts'

/** A refresh token expires this long after it is issued, or with its session. */
const REFRESH_TOKEN_LIFETIME_MS = 14 * 24 * 60 * 60 * 1000

/** A used token is accepted for this long after its first use: the response may have been lost, or another tab may send it too. */
const REUSE_WINDOW_MS = 60_000

/**
 * What a token is exchanged for: its successor, to be added, or the newest token of the session. `reused` is a used token outside
 * its reuse window.
 */
export type Exchange =
  | { outcome: 'successor' | 'newest'; refreshToken: string; expiresAt: number }
  | { outcome: 'reused' | 'invalid' }

/** The session of a valid refresh token. */
export interface TokenHolder {
  userId: string
  sessionId: string
  /** When the token expires; milliseconds since the epoch. */
  expiresAt: number
}

/**
 * The chain of refresh tokens of a session, each exchanged for its successor. A successor is an HMAC of its predecessor: a client
 * that sends a used token gets the same successor again, and only hashes are stored.
 */
export class RefreshChain {
  readonly #key: Buffer
  readonly #maxAgeMs: number

  /**
   * @param key derives successors. After it changes, used tokens are rejected and unused ones still work.
   * @param maxAgeMs the longest lifetime of a session, however often it is refreshed.
   */
  constructor(key: Buffer, maxAgeMs: number) {
    this.#key = key
    this.#maxAgeMs = maxAgeMs
  }

  /** When a session expires whose newest token is issued now. */
  expiryOf(createdAt: number, now: number): Date {
    return new Date(Math.min(now + REFRESH_TOKEN_LIFETIME_MS, createdAt + this.#maxAgeMs))
  }

  /**
   * Decides what a token is exchanged for: the newest token of a session for its successor, a used one for the newest, for a minute
   * after its first use, however many successors it has. Later use means that two parties hold tokens of the session.
   */
  exchange(token: string, presented: PresentedToken, now: number): Exchange {
    const { newest, createdAt, generation } = presented
    const isExpired = Math.min(presented.expiresAt, createdAt + this.#maxAgeMs) <= now
    if (presented.isRevoked || isExpired) return { outcome: 'invalid' }
    if (generation === newest.generation) {
      const expiresAt = this.expiryOf(createdAt, now).getTime()
      return { outcome: 'successor', refreshToken: this.#successor(token), expiresAt }
    }
    if (isOutsideReuseWindow(presented.firstUsedAt, now)) return { outcome: 'reused' }
    const refreshToken = this.#descendant(token, newest.generation - generation)
    if (!timingSafeEqual(hashToken(refreshToken), Buffer.from(newest.hash, 'hex')))
      return { outcome: 'invalid' }
    return { outcome: 'newest', refreshToken, expiresAt: newest.expiresAt }
  }

  /**
   * Finds the active session of a token that could be exchanged; undefined for any other. Does not end the session of a reused
   * token: a cookie may be behind a client that exchanges the same token itself.
   */
  async holder(orm: Orm, token: string, now: number): Promise<TokenHolder | undefined> {
    const found = await findTokenHolder(orm, hashToken(token))
    if (!found || isOutsideReuseWindow(found.firstUsedAt?.getTime() ?? null, now)) return undefined
    const expiresAt = Math.min(found.expiresAt.getTime(), found.createdAt.getTime() + this.#maxAgeMs)
    return expiresAt > now ? { userId: found.userId, sessionId: found.sessionId, expiresAt } : undefined
  }

  #descendant(token: string, generations: number): string {
    let descendant = token
    for (let i = 0; i < generations; i++) descendant = this.#successor(descendant)
    return descendant
  }

  #successor(token: string): string {
    return createHmac('sha256', this.#key).update(token).digest('base64url')
  }
}

function isOutsideReuseWindow(firstUsedAt: number | null, now: number): boolean {
  return firstUsedAt !== null && now > firstUsedAt + REUSE_WINDOW_MS
}
