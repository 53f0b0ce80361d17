import { and, desc, eq, getTableColumns, inArray, lt, lte } from 'drizzle-orm'
import type { Database, Orm } from '../../database.ts'
import { auditEvents } from '../../schema.ts'

/** A security event of an account. */
export interface AuditEvent {
  /** UUIDv7. */
  id: string
  userId: string
  kind: string
  sessionId: string | null
  ip: string | null
  userAgent: string | null
  /** How many events the row represents: in a flood, only the first events have their own rows. */
  count: number
  /** Milliseconds since the epoch. */
  insertedAt: number
}

/** A security event as shown to the owner of the account. */
export type ListedAuditEvent = Omit<AuditEvent, 'userId' | 'insertedAt'> & { insertedAt: Date }

/**
 * The statement that inserts events, to be a part of another one. Ignores events that are already stored, and those of deleted users.
 * @param events the parameter with an array of `AuditEvent`, as JSON.
 * @param condition a table expression; the events are inserted if it has a row.
 */
export function auditEventInsert(events: string, condition = '(select)'): string {
  return `insert into audit_events (id, user_id, kind, session_id, ip, user_agent, count, inserted_at)
  select e.id, e."userId", e.kind, e."sessionId", e.ip, e."userAgent", e.count, to_timestamp(e."insertedAt" / 1000)
  from json_to_recordset(${events}::text::json) as e(
    id uuid, "userId" uuid, kind text, "sessionId" uuid, ip text, "userAgent" text, count integer, "insertedAt" float8)
  join users u on u.id = e."userId"
  where exists (select from ${condition} condition)
  on conflict (id) do nothing`
}

/** Stores events. Ignores events that are already stored, and those of deleted users. */
export async function insertAuditEvents(db: Database, events: AuditEvent[]): Promise<void> {
  await db.rows(INSERT, [JSON.stringify(events)])
}

/** The latest stored event of these kinds. */
export async function findLatestAuditEvent(
  orm: Orm,
  userId: string,
  kinds: string[],
): Promise<Pick<ListedAuditEvent, 'ip' | 'userAgent' | 'insertedAt'> | undefined> {
  const rows = await orm
    .select({ ip: auditEvents.ip, userAgent: auditEvents.userAgent, insertedAt: auditEvents.insertedAt })
    .from(auditEvents)
    .where(and(eq(auditEvents.userId, userId), inArray(auditEvents.kind, kinds)))
    .orderBy(desc(auditEvents.id))
    .limit(1)
  return rows[0]
}

/** Events of a user, newest first, older than the event `before` if given. */
export function listAuditEvents(
  orm: Orm,
  { userId, before, limit }: { userId: string; before: string | undefined; limit: number },
): Promise<ListedAuditEvent[]> {
  const { userId: _owner, ...columns } = getTableColumns(auditEvents)
  return orm
    .select(columns)
    .from(auditEvents)
    .where(and(eq(auditEvents.userId, userId), before ? lt(auditEvents.id, before) : undefined))
    .orderBy(desc(auditEvents.id))
    .limit(limit)
}

/** Deletes up to `limit` events that were stored before a time; returns how many. */
export async function deleteOldAuditEvents(orm: Orm, before: Date, limit: number): Promise<number> {
  const old = orm
    .select({ id: auditEvents.id })
    .from(auditEvents)
    .where(lte(auditEvents.insertedAt, before))
    .limit(limit)
  const rows = await orm
    .delete(auditEvents)
    .where(inArray(auditEvents.id, old))
    .returning({ id: auditEvents.id })
  return rows.length
}

const INSERT = auditEventInsert('$1')
