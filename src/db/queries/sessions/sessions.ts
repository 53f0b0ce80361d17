import { and, desc, eq, gt, inArray, isNull, lte, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { sessions } from '../../schema.ts'

export type SessionKind = 'password' | 'whisper'

/** The client that last used a session. */
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

/** A revoked session. */
export interface Revocation {
  id: string
  revokedAt: Date
}

/** When a session was opened; undefined for a revoked one. */
export async function findSessionStart(orm: Orm, sessionId: string): Promise<Date | undefined> {
  const rows = await orm
    .select({ createdAt: sessions.createdAt })
    .from(sessions)
    .where(and(eq(sessions.id, sessionId), isNull(sessions.revokedAt)))
  return rows[0]?.createdAt
}

/** Active sessions are those created after `createdAfter` that expire after `now`. */
export interface ActiveAt {
  now: Date
  createdAfter: Date
}

/** The user's active sessions, the most recently used first. */
export async function listSessions(
  orm: Orm,
  userId: string,
  at: ActiveAt,
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
    .where(and(eq(sessions.userId, userId), isActive(at)))
    .orderBy(desc(sessions.lastUsedAt), desc(sessions.id))
    .limit(limit)
}

/** The expiry of some sessions, without revoked ones; expired ones may be among them. */
export async function listExpiries(
  orm: Orm,
  ids: string[],
): Promise<{ id: string; createdAt: Date; expiresAt: Date }[]> {
  return orm
    .select({ id: sessions.id, createdAt: sessions.createdAt, expiresAt: sessions.expiresAt })
    .from(sessions)
    .where(and(inArray(sessions.id, ids), isNull(sessions.revokedAt)))
}

/** Revokes an active session, of this user if one is given; empty when there is no such session. */
export async function revokeSession(
  orm: Orm,
  sessionId: string,
  at: ActiveAt,
  ofUser?: string,
): Promise<(Revocation & { userId: string })[]> {
  const rows = await orm
    .update(sessions)
    .set({ revokedAt: at.now })
    .where(and(eq(sessions.id, sessionId), ofUser ? eq(sessions.userId, ofUser) : undefined, isActive(at)))
    .returning({ id: sessions.id, userId: sessions.userId })
  return rows.map((row) => ({ ...row, revokedAt: at.now }))
}

/** Revokes the user's sessions, or those of a kind, except one. */
export async function revokeSessionsOf(
  orm: Orm,
  userId: string,
  now: Date,
  { except, kind }: { except?: string | undefined; kind?: SessionKind } = {},
): Promise<Revocation[]> {
  // Locked in the order of ids, to avoid deadlocks.
  const active = sql`select id from sessions
    where user_id = ${userId} and revoked_at is null and id is distinct from ${except ?? null}::uuid
      and kind = coalesce(${kind ?? null}, kind)
    order by id for update`
  const rows = await orm
    .update(sessions)
    .set({ revokedAt: now })
    .where(sql`${sessions.id} in (${active})`)
    .returning({ id: sessions.id })
  return rows.map(({ id }) => ({ id, revokedAt: now }))
}

/** The sessions that were revoked after `since`. */
export async function listRevocations(orm: Orm, since: Date): Promise<Revocation[]> {
  const rows = await orm
    .select({ id: sessions.id, revokedAt: sessions.revokedAt })
    .from(sessions)
    .where(gt(sessions.revokedAt, since))
  return rows.map(({ id, revokedAt }) => ({ id, revokedAt: revokedAt! }))
}

/** Revokes up to `limit` expired sessions, so that nodes handle them like any other revocation. */
export async function revokeExpired(orm: Orm, now: Date, limit: number): Promise<Revocation[]> {
  const expired = orm
    .select({ id: sessions.id })
    .from(sessions)
    .where(and(isNull(sessions.revokedAt), lte(sessions.expiresAt, now)))
    .limit(limit)
    // A session that is being refreshed or revoked is left to the next run.
    .for('update', { skipLocked: true })
  const rows = await orm
    .update(sessions)
    .set({ revokedAt: now })
    .where(inArray(sessions.id, expired))
    .returning({ id: sessions.id })
  return rows.map(({ id }) => ({ id, revokedAt: now }))
}

/** Deletes up to `limit` sessions that were revoked before `revokedBefore`; returns how many. */
export async function deleteRevokedSessions(
  orm: Orm,
  { revokedBefore, limit }: { revokedBefore: Date; limit: number },
): Promise<number> {
  const revoked = orm
    .select({ id: sessions.id })
    .from(sessions)
    .where(lte(sessions.revokedAt, revokedBefore))
    .limit(limit)
  const rows = await orm.delete(sessions).where(inArray(sessions.id, revoked)).returning({ id: sessions.id })
  return rows.length
}

function isActive({ now, createdAfter }: ActiveAt) {
  return and(isNull(sessions.revokedAt), gt(sessions.expiresAt, now), gt(sessions.createdAt, createdAfter))
}
