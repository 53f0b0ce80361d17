import { and, desc, eq, gt, inArray, isNull, lte, or, sql } from 'drizzle-orm'
import type { Orm } from '../database.ts'
import { sessions } from '../schema.ts'

export type SessionKind = 'password' | 'whisper'

/** What a session was last used with. */
export interface Device {
  userAgent: string | null
  ip: string | null
}

/** A session as its user sees it. */
export interface SessionSummary extends Device {
  id: string
  kind: SessionKind
  createdAt: Date
  lastUsedAt: Date
}

/** A session that was ended, and when. */
export interface Revocation {
  id: string
  revokedAt: Date
}

export async function insertSession(
  orm: Orm,
  session: { id: string; userId: string; kind: SessionKind; now: Date; expiresAt: Date } & Device,
): Promise<void> {
  const { now, ...columns } = session
  await orm.insert(sessions).values({ ...columns, createdAt: now, lastUsedAt: now })
}

/** Waits for the session's turn, so that requests with its tokens are answered one after another. */
export async function lockSession(tx: Orm, sessionId: string) {
  const rows = await tx
    .select({ userId: sessions.userId, expiresAt: sessions.expiresAt, revokedAt: sessions.revokedAt })
    .from(sessions)
    .where(eq(sessions.id, sessionId))
    .for('update')
  return rows[0]
}

export async function touchSession(
  orm: Orm,
  sessionId: string,
  use: { now: Date; expiresAt?: Date } & Device,
): Promise<void> {
  const { now, ...columns } = use
  await orm
    .update(sessions)
    .set({ ...columns, lastUsedAt: now })
    .where(eq(sessions.id, sessionId))
}

/** The user's living sessions, the last used one first. */
export async function listSessions(
  orm: Orm,
  userId: string,
  now: Date,
  limit: number,
): Promise<SessionSummary[]> {
  return orm
    .select({
      id: sessions.id,
      kind: sessions.kind,
      userAgent: sessions.userAgent,
      ip: sessions.ip,
      createdAt: sessions.createdAt,
      lastUsedAt: sessions.lastUsedAt,
    })
    .from(sessions)
    .where(and(eq(sessions.userId, userId), isNull(sessions.revokedAt), gt(sessions.expiresAt, now)))
    .orderBy(desc(sessions.lastUsedAt), desc(sessions.id))
    .limit(limit)
}

/** Ends one living session, of this user if one is named; returns nothing when there is no such session. */
export async function revokeSession(
  orm: Orm,
  sessionId: string,
  now: Date,
  ofUser?: string,
): Promise<Revocation[]> {
  const rows = await orm
    .update(sessions)
    .set({ revokedAt: now })
    .where(
      and(
        eq(sessions.id, sessionId),
        ofUser ? eq(sessions.userId, ofUser) : undefined,
        isNull(sessions.revokedAt),
        gt(sessions.expiresAt, now),
      ),
    )
    .returning({ id: sessions.id })
  return rows.map(({ id }) => ({ id, revokedAt: now }))
}

/** Ends all sessions of the user, or those of a kind, but the excepted one, and returns which they were. */
export async function revokeSessionsOf(
  orm: Orm,
  userId: string,
  now: Date,
  { except, kind }: { except?: string | undefined; kind?: SessionKind } = {},
): Promise<Revocation[]> {
  // Locked in one order: two who do this at once would wait for each other.
  const living = sql`select id from sessions
    where user_id = ${userId} and revoked_at is null and id is distinct from ${except ?? null}::uuid
      and kind = coalesce(${kind ?? null}, kind)
    order by id for update`
  const rows = await orm
    .update(sessions)
    .set({ revokedAt: now })
    .where(sql`${sessions.id} in (${living})`)
    .returning({ id: sessions.id })
  return rows.map(({ id }) => ({ id, revokedAt: now }))
}

/** What was revoked after `since`. */
export async function listRevocations(orm: Orm, since: Date): Promise<Revocation[]> {
  const rows = await orm
    .select({ id: sessions.id, revokedAt: sessions.revokedAt })
    .from(sessions)
    .where(gt(sessions.revokedAt, since))
  return rows.map(({ id, revokedAt }) => ({ id, revokedAt: revokedAt! }))
}

/** Removes up to `limit` sessions that expired, or were revoked before `revokedBefore`; returns how many. */
export async function deleteDeadSessions(
  orm: Orm,
  { now, revokedBefore, limit }: { now: Date; revokedBefore: Date; limit: number },
): Promise<number> {
  const expired = and(isNull(sessions.revokedAt), lte(sessions.expiresAt, now))
  const dead = orm
    .select({ id: sessions.id })
    .from(sessions)
    .where(or(expired, lte(sessions.revokedAt, revokedBefore)))
    .limit(limit)
  const rows = await orm.delete(sessions).where(inArray(sessions.id, dead)).returning({ id: sessions.id })
  return rows.length
}
