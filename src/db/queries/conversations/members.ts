import { and, eq, inArray, ne } from 'drizzle-orm'
import type { Database, Orm } from '../../database.ts'
import { members, users } from '../../schema.ts'
import { summary, type UserSummary } from '../accounts/users.ts'
import { unreadOf } from './unread.ts'

/**
 * A member with their public key, and with the private key if they are the one who reads; keys are null until set.
 * `unread` is the reader's, in every row.
 */
export interface MemberRow extends UserSummary {
  private: boolean
  alias: string | null
  /** Times are milliseconds since the epoch; the first two are those of the conversation. */
  insertedAt: number
  updatedAt: number
  lastRead: number | null
  /** The `seq` up to which the member has read. */
  readSeq: number
  /** The `seq` of the conversation's latest change. */
  lastSeq: number
  unread: number
  vaultKey: string | null
  publicJwk: Record<string, unknown> | null
  /** The sealed form, where there is no readable one. */
  publicKey: Uint8Array | null
  privateKey: Uint8Array | null
}

/** One row per member, with the conversation; none if the reader is not a member. */
export function listMemberRows(db: Database, conversationId: string, readerId: string): Promise<MemberRow[]> {
  return db.rows(MEMBER_ROWS, [conversationId, readerId])
}

/** Adds those who are not members yet, as of `lastSeq`, and returns their number. */
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

/** The read position of a member. */
export interface ReadPosition {
  readSeq: number
  /** Whether they had not read as far before, or never read. */
  isNew: boolean
}

/**
 * Records that a member has read up to a place, or all there is if that is null; never less than before.
 * @returns undefined for somebody who is no member.
 */
export async function markMemberRead(
  db: Database,
  { conversationId, userId, seq }: { conversationId: string; userId: string; seq: number | null },
): Promise<ReadPosition | undefined> {
  const [row] = await db.rows<ReadPosition>(
    `update members m set last_read = greatest(m.last_read, now()),
      read_seq = greatest(m.read_seq, least(c.last_seq, $3::bigint))
    from conversations c, members before
    where c.id = $1 and m.conversation_id = $1 and m.user_id = $2
      and before.conversation_id = $1 and before.user_id = $2
    returning m.read_seq::float8 as "readSeq", before.last_read is null or before.read_seq < m.read_seq as "isNew"`,
    [conversationId, userId, seq],
  )
  return row
}

/** Everyone but the user in some of their conversations. */
export async function contactsIn(db: Orm, userId: string, conversationIds: string[]): Promise<UserSummary[]> {
  if (conversationIds.length === 0) return []
  const contacts = db
    .select({ id: members.userId })
    .from(members)
    .where(inArray(members.conversationId, conversationIds))
  return db
    .select(summary)
    .from(users)
    .where(and(inArray(users.id, contacts), ne(users.id, userId)))
    .orderBy(users.id)
}

const MEMBER_ROWS = `
select c.private, c.alias,
  (extract(epoch from c.inserted_at) * 1000)::float8 as "insertedAt",
  (extract(epoch from c.updated_at) * 1000)::float8 as "updatedAt",
  u.id, u.email, u.display_name as "displayName", u.email_confirmed_at is not null as confirmed,
  (extract(epoch from m.last_read) * 1000)::float8 as "lastRead",
  m.read_seq::float8 as "readSeq", c.last_seq::float8 as "lastSeq",
  (select ${unreadOf('own')} from members own where own.conversation_id = $1 and own.user_id = $2) as unread,
  k.vault_key as "vaultKey", k.public_jwk as "publicJwk",
  case when k.public_jwk is null then k.public_key end as "publicKey",
  case when m.user_id = $2 then k.private_key end as "privateKey"
from conversations c
join members m on m.conversation_id = c.id
join users u on u.id = m.user_id
left join encryption_keys k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
where c.id = $1 and exists (select from members where conversation_id = $1 and user_id = $2)
order by u.id`
