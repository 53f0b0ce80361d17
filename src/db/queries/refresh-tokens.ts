import { and, asc, desc, eq, inArray, isNull, lte, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Orm } from '../database.ts'
import { refreshTokens, sessions } from '../schema.ts'

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
  const { now, ...columns } = token
  await orm.insert(refreshTokens).values({ ...columns, issuedAt: now })
}

export async function findRefreshToken(orm: Orm, hash: Uint8Array): Promise<RefreshToken | undefined> {
  const rows = await orm.select(chainLink).from(refreshTokens).where(eq(refreshTokens.hash, hash))
  return rows[0]
}

/** The token of a session that came `generation` exchanges after the first. */
export async function findGeneration(
  orm: Orm,
  sessionId: string,
  generation: number,
): Promise<RefreshToken | undefined> {
  const rows = await orm
    .select(chainLink)
    .from(refreshTokens)
    .where(and(eq(refreshTokens.sessionId, sessionId), eq(refreshTokens.generation, generation)))
  return rows[0]
}

/** The newest token of a session. */
export async function findNewest(orm: Orm, sessionId: string): Promise<RefreshToken | undefined> {
  const rows = await orm
    .select(chainLink)
    .from(refreshTokens)
    .where(eq(refreshTokens.sessionId, sessionId))
    .orderBy(desc(refreshTokens.generation))
    .limit(1)
  return rows[0]
}

/** The session of a token that has not ended, and what tells whether the token is still good. */
export async function findHolder(
  orm: Orm,
  hash: Uint8Array,
): Promise<{ userId: string; sessionId: string; expiresAt: Date; successorUsedAt: Date | null } | undefined> {
  const successor = alias(refreshTokens, 'successor')
  const isSuccessor = and(
    eq(successor.sessionId, refreshTokens.sessionId),
    eq(successor.generation, sql`${refreshTokens.generation} + 1`),
  )
  const rows = await orm
    .select({
      userId: sessions.userId,
      sessionId: sessions.id,
      expiresAt: refreshTokens.expiresAt,
      successorUsedAt: successor.firstUsedAt,
    })
    .from(refreshTokens)
    .innerJoin(sessions, and(eq(sessions.id, refreshTokens.sessionId), isNull(sessions.revokedAt)))
    .leftJoin(successor, isSuccessor)
    .where(eq(refreshTokens.hash, hash))
  return rows[0]
}

export async function markUsed(orm: Orm, hash: Uint8Array, now: Date): Promise<void> {
  await orm.update(refreshTokens).set({ firstUsedAt: now }).where(eq(refreshTokens.hash, hash))
}

/** Removes a few of the session's oldest tokens, if they expired: more than are added, so that a chain stays short. */
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

const chainLink = {
  hash: refreshTokens.hash,
  sessionId: refreshTokens.sessionId,
  generation: refreshTokens.generation,
  expiresAt: refreshTokens.expiresAt,
  firstUsedAt: refreshTokens.firstUsedAt,
}
