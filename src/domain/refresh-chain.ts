import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Orm } from '../db/database.ts'
import {
  deleteOldestExpired,
  findGeneration,
  findHolder,
  findNewest,
  findRefreshToken,
  insertRefreshToken,
  markUsed,
} from '../db/queries/refresh-tokens.ts'
import { lockSession } from '../db/queries/sessions.ts'
import { hashToken } from './secrets.ts'

/** How long a refresh token is good, from its making. */
export const REFRESH_TOKEN_MS = 14 * 24 * 60 * 60 * 1000

/** How long a used token goes on answering once its successor is in use: another tab may hold it still. */
const GRACE_MS = 15_000

/** What became of a presented refresh token. */
export type Exchange =
  | { outcome: 'refreshed'; userId: string; sessionId: string; refreshToken: string; expiresAt: Date }
  | { outcome: 'stolen'; sessionId: string }
  | { outcome: 'invalid' }

const INVALID: Exchange = { outcome: 'invalid' }

/**
 * The refresh tokens of a session, each exchanged for the next. A successor is an HMAC of its predecessor, so nobody but
 * the holder of one can be told its successor again, and only hashes are stored.
 */
export class RefreshChain {
  readonly #key: Buffer

  /** @param key signs successors; tokens from before its change cannot be repeated, only exchanged. */
  constructor(key: Buffer) {
    this.#key = key
  }

  /** Stores a session's token, and removes some that are past use. */
  async store(
    tx: Orm,
    {
      token,
      sessionId,
      generation,
      now,
    }: { token: string; sessionId: string; generation: number; now: number },
  ): Promise<Date> {
    const expiresAt = new Date(now + REFRESH_TOKEN_MS)
    const row = { hash: hashToken(token), sessionId, generation, now: new Date(now), expiresAt }
    await insertRefreshToken(tx, row)
    await deleteOldestExpired(tx, sessionId, row.now)
    return expiresAt
  }

  /**
   * Exchanges the newest token for its successor. A used one is answered with the newest, as long as the client may not
   * know better: until a while after its successor was first used. Later, two parties hold the session's tokens.
   */
  async exchange(tx: Orm, token: string, now: number): Promise<Exchange> {
    const hash = hashToken(token)
    const { sessionId } = (await findRefreshToken(tx, hash)) ?? {}
    if (!sessionId) return INVALID
    const session = await lockSession(tx, sessionId)
    // Read again, now that nobody else can be exchanging it.
    const presented = await findRefreshToken(tx, hash)
    const newest = await findNewest(tx, sessionId)
    if (!session || session.revokedAt || !presented || !newest) return INVALID
    if (presented.expiresAt.getTime() <= now) return INVALID

    const { userId } = session
    if (presented.generation === newest.generation) {
      const refreshToken = this.#successor(token)
      const generation = presented.generation + 1
      await markUsed(tx, hash, new Date(now))
      const expiresAt = await this.store(tx, { token: refreshToken, sessionId, generation, now })
      return { outcome: 'refreshed', userId, sessionId, refreshToken, expiresAt }
    }

    const successor = await findGeneration(tx, sessionId, presented.generation + 1)
    if (isOutdated(successor?.firstUsedAt, now)) return { outcome: 'stolen', sessionId }
    const refreshToken = this.#descendant(token, newest.generation - presented.generation)
    if (!timingSafeEqual(hashToken(refreshToken), newest.hash)) return INVALID
    return { outcome: 'refreshed', userId, sessionId, refreshToken, expiresAt: newest.expiresAt }
  }

  /** Whose living session it is, for a token that would be exchanged; undefined for any other. */
  async holder(
    orm: Orm,
    token: string,
    now: number,
  ): Promise<{ userId: string; sessionId: string } | undefined> {
    const found = await findHolder(orm, hashToken(token))
    if (!found || found.expiresAt.getTime() <= now || isOutdated(found.successorUsedAt, now)) return undefined
    return { userId: found.userId, sessionId: found.sessionId }
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

/** Whether its holder must know the successor by now. */
function isOutdated(successorUsedAt: Date | null | undefined, now: number): boolean {
  return Boolean(successorUsedAt) && now > successorUsedAt!.getTime() + GRACE_MS
}
