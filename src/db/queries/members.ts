import { and, eq, inArray, ne } from 'drizzle-orm'
import type { Database, Orm } from '../database.ts'
import { members, users } from '../schema.ts'
import { uuidArray } from './array-literal.ts'
import { unreadOf } from './unread.ts'
import type { UserSummary } from './users.ts'

/**
 * A member with their public key, and with the private key if they are the one who reads; keys are null until set.
 * `unread` is the reader's, in every row.
 */
export interface RosterRow extends UserSummary {
  private: boolean
  alias: string | null
  /** Times are milliseconds since the epoch; the first two are those of the conversation. */
  insertedAt: number
  updatedAt: number
  lastRead: number | null
  /** The place up to which the member has read. */
  readSeq: number
  /** The place of the conversation's latest change. */
  lastSeq: number
  unread: number
  vaultKey: string | null
  publicKey: Uint8Array | null
  privateKey: Uint8Array | null
}

/** The conversation with all its members, a row for each; nothing for a reader who is not one of them. */
export function rosterOf(db: Database, conversationId: string, readerId: string): Promise<RosterRow[]> {
  return db.rows(ROSTER, [conversationId, readerId])
}

/** Adds those who are not members yet, from this place on, and returns how many these were. */
export async function insertMembers(
  tx: Orm,
  { conversationId, lastSeq }: { conversationId: string; lastSeq: number },
  userIds: string[],
): Promise<number> {
  const rows = await tx
    .insert(members)
    .values(userIds.map((userId) => ({ conversationId, userId, joinedSeq: lastSeq, readSeq: lastSeq })))
    .onConflictDoNothing()
    .returning({ userId: members.userId })
  return rows.length
}

export async function deleteMember(tx: Orm, conversationId: string, userId: string): Promise<void> {
  await tx.delete(members).where(and(eq(members.conversationId, conversationId), eq(members.userId, userId)))
}

export async function memberIdsOf(db: Orm, conversationId: string): Promise<string[]> {
  const rows = await db
    .select({ userId: members.userId })
    .from(members)
    .where(eq(members.conversationId, conversationId))
    .orderBy(members.userId)
  return rows.map(({ userId }) => userId)
}

/** A user in a conversation, or a room. */
export interface Membership {
  placeId: string
  userId: string
}

/** Those of some memberships of conversations that are not there. */
export function membershipsMissing(db: Database, asked: readonly Membership[]): Promise<Membership[]> {
  return db.rows(
    `select place_id as "placeId", user_id as "userId"
    from unnest($1::uuid[], $2::uuid[]) as asked (place_id, user_id)
    where not exists (select from members m where m.conversation_id = place_id and m.user_id = asked.user_id)`,
    [uuidArray(asked.map(({ placeId }) => placeId)), uuidArray(asked.map(({ userId }) => userId))],
  )
}

export async function isMember(db: Database, conversationId: string, userId: string): Promise<boolean> {
  const statement = 'select 1 as yes from members where conversation_id = $1 and user_id = $2'
  return (await db.rows(statement, [conversationId, userId])).length > 0
}

/**
 * Records that a member has read up to a place, or all there is if that is null; never less than before.
 * @returns the place up to which they have read now; undefined for somebody who is no member.
 */
export async function markMemberRead(
  db: Database,
  { conversationId, userId, seq }: { conversationId: string; userId: string; seq: number | null },
): Promise<number | undefined> {
  const [row] = await db.rows<{ readSeq: number }>(
    `update members m set last_read = greatest(m.last_read, now()),
      read_seq = greatest(m.read_seq, least(c.last_seq, $3::bigint))
    from conversations c
    where c.id = $1 and m.conversation_id = $1 and m.user_id = $2
    returning m.read_seq::float8 as "readSeq"`,
    [conversationId, userId, seq],
  )
  return row?.readSeq
}

/** Everyone who shares a conversation with a user. */
export function companionsOf(db: Orm, userId: string): Promise<UserSummary[]> {
  const own = db.select({ id: members.conversationId }).from(members).where(eq(members.userId, userId))
  const companions = db
    .select({ id: members.userId })
    .from(members)
    .where(inArray(members.conversationId, own))
  return db
    .select({ id: users.id, email: users.email, displayName: users.displayName })
    .from(users)
    .where(and(inArray(users.id, companions), ne(users.id, userId)))
    .orderBy(users.id)
}

const ROSTER = `
select c.private, c.alias,
  (extract(epoch from c.inserted_at) * 1000)::float8 as "insertedAt",
  (extract(epoch from c.updated_at) * 1000)::float8 as "updatedAt",
  u.id, u.email, u.display_name as "displayName",
  (extract(epoch from m.last_read) * 1000)::float8 as "lastRead",
  m.read_seq::float8 as "readSeq", c.last_seq::float8 as "lastSeq",
  (select ${unreadOf('own')} from members own where own.conversation_id = $1 and own.user_id = $2) as unread,
  k.vault_key as "vaultKey", k.public_key as "publicKey",
  case when m.user_id = $2 then k.private_key end as "privateKey"
from conversations c
join members m on m.conversation_id = c.id
join users u on u.id = m.user_id
left join encryption_keys k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
where c.id = $1 and exists (select from members where conversation_id = $1 and user_id = $2)
order by u.id`
