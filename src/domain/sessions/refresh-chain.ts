import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Orm } from '../../db/database.ts'
import {
  deleteOldestExpired,
  findNewest,
  findRefreshToken,
  findTokenHolder,
  insertRefreshToken,
  markUsed,
  type RefreshToken,
} from '../../db/queries/sessions/refresh-tokens.ts'
import { lockSession } from '../../db/queries/sessions/sessions.ts'
import { hashToken } from '../shared/secrets.ts'

/** A refresh token expires this long after it is issued, or with its session. */
const REFRESH_TOKEN_LIFETIME_MS = 14 * 24 * 60 * 60 * 1000

/** A used token is accepted for this long after its first use: the response may have been lost, or another tab may send it too. */
const REUSE_WINDOW_MS = 60_000

/** The result of an exchange; `reused` is a used token outside its reuse window. */
export type Exchange =
  | { outcome: 'refreshed'; userId: string; sessionId: string; refreshToken: string; expiresAt: Date }
  | { outcome: 'reused'; userId: string; sessionId: string }
  | { outcome: 'invalid' }

/** The session of a valid refresh token. */
export interface TokenHolder {
  userId: string
  sessionId: string
  /** When the token expires; milliseconds since the epoch. */
  expiresAt: number
}

const INVALID: Exchange = { outcome: 'invalid' }

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

  /** Stores a token, and deletes some expired ones of the session. */
  async store(
    tx: Orm,
    {
      token,
      now,
      ...rest
    }: { token: string; sessionId: string; generation: number; expiresAt: Date; now: number },
  ): Promise<void> {
    const row = { hash: hashToken(token), now: new Date(now), ...rest }
    await insertRefreshToken(tx, row)
    await deleteOldestExpired(tx, row.sessionId, row.now)
  }

  /**
   * Exchanges the newest token for its successor. A used token is exchanged for the newest one for a minute after its first use,
   * however many successors it has. Later use means that two parties hold tokens of the session.
   */
  async exchange(tx: Orm, token: string, now: number): Promise<Exchange> {
    const hash = hashToken(token)
    const { sessionId } = (await findRefreshToken(tx, hash)) ?? {}
    if (!sessionId) return INVALID
    const session = await lockSession(tx, sessionId)
    // Read again under the lock of the session.
    const presented = await findRefreshToken(tx, hash)
    const newest = await findNewest(tx, sessionId)
    if (!session || session.revokedAt || !presented || !newest) return INVALID
    const sessionExpiresAt = session.createdAt.getTime() + this.#maxAgeMs
    if (Math.min(presented.expiresAt.getTime(), sessionExpiresAt) <= now) return INVALID

    const { userId } = session
    if (presented.generation === newest.generation) {
      const refreshToken = this.#successor(token)
      const generation = presented.generation + 1
      const expiresAt = this.expiryOf(session.createdAt.getTime(), now)
      await markUsed(tx, hash, new Date(now))
      await this.store(tx, { token: refreshToken, sessionId, generation, expiresAt, now })
      return { outcome: 'refreshed', userId, sessionId, refreshToken, expiresAt }
    }

    if (isOutsideReuseWindow(presented, now)) return { outcome: 'reused', userId, sessionId }
    const refreshToken = this.#descendant(token, newest.generation - presented.generation)
    if (!timingSafeEqual(hashToken(refreshToken), newest.hash)) return INVALID
    return { outcome: 'refreshed', userId, sessionId, refreshToken, expiresAt: newest.expiresAt }
  }

  /**
   * Finds the active session of a token that could be exchanged; undefined for any other. Does not end the session of a reused
   * token: a cookie may be behind a client that exchanges the same token itself.
   */
  async holder(orm: Orm, token: string, now: number): Promise<TokenHolder | undefined> {
    const found = await findTokenHolder(orm, hashToken(token))
    if (!found || isOutsideReuseWindow(found, now)) return undefined
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

function isOutsideReuseWindow({ firstUsedAt }: Pick<RefreshToken, 'firstUsedAt'>, now: number): boolean {
  return firstUsedAt !== null && now > firstUsedAt.getTime() + REUSE_WINDOW_MS
}
