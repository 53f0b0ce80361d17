import { and, eq, inArray, ne } from 'drizzle-orm'
import type { Database, Orm } from '../../database.ts'
import type { StoredPublicKey } from '../../schema/account-keys.ts'
import { copyRanges, members, users } from '../../schema.ts'
import { summary, type UserSummary } from '../accounts/users.ts'
import { unreadOf } from './unread.ts'

/**
 * A member with their public key, and for the reader also the private key. Keys are null until set. `unread` is the reader's in
 * every row.
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
  /** The encrypted form, if there is no plain one. */
  publicKey: Uint8Array | null
  privateKey: Uint8Array | null
  /** The public keys of the account, and the version of its key set. */
  keysVersion: number | null
  encryptionKey: StoredPublicKey | null
  signingKey: StoredPublicKey | null
}

/** One row per member, with the conversation; none if the reader is not a member. */
export function listMemberRows(db: Database, conversationId: string, readerId: string): Promise<MemberRow[]> {
  return db.rows(MEMBER_ROWS, [conversationId, readerId])
}

/** Adds the users who are not members yet, with `lastSeq` as their first position. Returns how many were added. */
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

/** Removes a member, and records up to which `seq` they have copies in case they are added again. */
export async function deleteMember(
  tx: Orm,
  { conversationId, lastSeq }: { conversationId: string; lastSeq: number },
  userId: string,
): Promise<void> {
  const isTheirs = and(eq(members.conversationId, conversationId), eq(members.userId, userId))
  const [member] = await tx.delete(members).where(isTheirs).returning({ joinedSeq: members.joinedSeq })
  if (!member || member.joinedSeq >= lastSeq) return
  const range = { conversationId, userId, afterSeq: member.joinedSeq, untilSeq: lastSeq }
  await tx.insert(copyRanges).values(range).onConflictDoNothing()
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
  /** Whether the position has moved, or is the first one. */
  isNew: boolean
}

/**
 * Records that a member has read up to a `seq`, or everything if it is null. The position never moves back.
 * @returns undefined when the user is not a member.
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

/** The other members of some conversations of a user. */
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
  case when m.user_id = $2 then k.private_key end as "privateKey",
  a.version as "keysVersion", a.encryption_key as "encryptionKey", a.signing_key as "signingKey"
from conversations c
join members m on m.conversation_id = c.id
join users u on u.id = m.user_id
left join encryption_keys k on k.conversation_id = m.conversation_id and k.user_id = m.user_id
left join account_keys a on a.user_id = m.user_id
where c.id = $1 and exists (select from members where conversation_id = $1 and user_id = $2)
order by u.id`
