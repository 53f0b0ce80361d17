import { and, asc, desc, eq, inArray, isNull, lte } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { refreshTokens, sessions } from '../../schema.ts'

/** One refresh token of a session's chain. */
export interface RefreshToken {
  hash: Uint8Array
  sessionId: string
  generation: number
  expiresAt: Date
  /** When it was exchanged for its successor. */
  firstUsedAt: Date | null
}

export async function insertRefreshToken(
  orm: Orm,
  token: { hash: Uint8Array; sessionId: string; generation: number; now: Date; expiresAt: Date },
): Promise<void> {
  const { now, ...row } = token
  await orm.insert(refreshTokens).values({ ...row, issuedAt: now })
}

export async function findRefreshToken(orm: Orm, hash: Uint8Array): Promise<RefreshToken | undefined> {
  const rows = await orm.select(columns).from(refreshTokens).where(eq(refreshTokens.hash, hash))
  return rows[0]
}

/** The newest token of a session. */
export async function findNewest(orm: Orm, sessionId: string): Promise<RefreshToken | undefined> {
  const rows = await orm
    .select(columns)
    .from(refreshTokens)
    .where(eq(refreshTokens.sessionId, sessionId))
    .orderBy(desc(refreshTokens.generation))
    .limit(1)
  return rows[0]
}

/** The session of a token, unless it is revoked, and what decides whether the token is still valid. */
export async function findTokenHolder(
  orm: Orm,
  hash: Uint8Array,
): Promise<
  | (Pick<RefreshToken, 'sessionId' | 'expiresAt' | 'firstUsedAt'> & { userId: string; createdAt: Date })
  | undefined
> {
  const rows = await orm
    .select({
      userId: sessions.userId,
      sessionId: sessions.id,
      createdAt: sessions.createdAt,
      expiresAt: refreshTokens.expiresAt,
      firstUsedAt: refreshTokens.firstUsedAt,
    })
    .from(refreshTokens)
    .innerJoin(sessions, and(eq(sessions.id, refreshTokens.sessionId), isNull(sessions.revokedAt)))
    .where(eq(refreshTokens.hash, hash))
  return rows[0]
}

/** Sets the time of the first use. */
export async function markUsed(orm: Orm, hash: Uint8Array, now: Date): Promise<void> {
  await orm.update(refreshTokens).set({ firstUsedAt: now }).where(eq(refreshTokens.hash, hash))
}

/** Deletes the expired tokens among the session's ten oldest. These are more than are added, so the chain stays short. */
export async function deleteOldestExpired(orm: Orm, sessionId: string, now: Date): Promise<void> {
  const oldest = orm
    .select({ hash: refreshTokens.hash })
    .from(refreshTokens)
    .where(eq(refreshTokens.sessionId, sessionId))
    .orderBy(asc(refreshTokens.generation))
    .limit(10)
  await orm
    .delete(refreshTokens)
    .where(and(inArray(refreshTokens.hash, oldest), lte(refreshTokens.expiresAt, now)))
}

const columns = {
  hash: refreshTokens.hash,
  sessionId: refreshTokens.sessionId,
  generation: refreshTokens.generation,
  expiresAt: refreshTokens.expiresAt,
  firstUsedAt: refreshTokens.firstUsedAt,
}
