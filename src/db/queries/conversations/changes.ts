import type { Database } from '../../database.ts'
import { uuidArray } from '../array-literal.ts'
import { hasCopy } from './copies.ts'
import { type Message, type MessageRow, messageColumns, messageOf } from './messages.ts'

/** A change of a conversation's messages, as one member may see it. `changeSeq` is the `seq` of the change. */
export type Change =
  | { kind: 'sent' | 'edited'; changeSeq: number; message: Message }
  | { kind: 'deleted'; changeSeq: number; groupId: string }

/** The changes of a conversation after a `seq`, in one snapshot. */
export interface Changes {
  /** The `seq` of the latest change. */
  lastSeq: number
  /** The `seq` at which the reader was added: earlier changes are left out. */
  joinedSeq: number
  /** In order, or `too_many` if they exceed the limit or are too large together. */
  changes: Change[] | 'too_many'
}

interface ChangesQuery {
  conversationId: string
  userId: string
  /** Only later changes. */
  afterSeq: number
  /** The maximum number of changes. */
  limit: number
}

/** Bytes of the contents of all changes together: they are sent in one frame. */
const MAX_BYTES = 1_048_576

/**
 * The changes of a conversation after a `seq`, with the reader's present copies; undefined if they are not a member. Applying
 * them in order gives the present state. Values of `seq` are missing for messages that were deleted since, for edits that a
 * later one has replaced, and for leaves. A message that was sent and then edited appears twice, with its present content.
 */
export async function readChanges(
  db: Database,
  { conversationId, userId, afterSeq, limit }: ChangesQuery,
): Promise<Changes | undefined> {
  const params = [conversationId, userId, afterSeq, limit + 1, MAX_BYTES]
  const rows = await db.rows<ChangeRow & { fits: boolean }>(CHANGES_THAT_FIT, params)
  const [first] = rows
  if (!first) return undefined
  const { lastSeq, joinedSeq } = first
  const found = rows.filter((row) => row.kind !== null)
  const isTooMuch = found.length > limit || !first.fits
  return { lastSeq, joinedSeq, changes: isTooMuch ? 'too_many' : found.map(changeOf) }
}

/** The first changes after a `seq`; undefined if the reader is not a member. */
export async function readFirstChanges(
  db: Database,
  { conversationId, userId, afterSeq, limit }: ChangesQuery,
): Promise<{ upTo: number; isLast: boolean; changes: Change[] } | undefined> {
  const rows = await db.rows<ChangeRow>(CHANGES, [conversationId, userId, afterSeq, limit + 1])
  const [first] = rows
  if (!first) return undefined
  const found = rows.filter((row) => row.kind !== null)
  const changes = found.slice(0, limit).map(changeOf)
  const isLast = found.length <= limit
  return { upTo: isLast ? first.lastSeq : changes.at(-1)!.changeSeq, isLast, changes }
}

/** The latest `seq` of a conversation, and the `seq` at which a member was added. */
export interface Position {
  userId: string
  conversationId: string
  lastSeq: number
  joinedSeq: number
}

/** The positions of all conversations of these users, in one snapshot. */
export function positionsOf(db: Database, userIds: readonly string[]): Promise<Position[]> {
  return db.rows(POSITIONS, [uuidArray(userIds)])
}

interface ChangeRow extends MessageRow {
  userId: string
  lastSeq: number
  joinedSeq: number
  kind: Change['kind'] | null
  changeSeq: number
}

function changeOf(row: ChangeRow): Change {
  const { kind, changeSeq, groupId } = row
  if (kind === 'deleted') return { kind, changeSeq, groupId }
  return { kind: kind as 'sent' | 'edited', changeSeq, message: messageOf(row, row.userId) }
}

const MESSAGE_COLUMNS = messageColumns('g', 'own.user_id')

/**
 * One statement reads one snapshot, so `last_seq` and the changes agree. Each kind is read by its own index, and never more
 * rows than the limit.
 */
const CHANGES = `
select own.user_id as "userId", c.last_seq::float8 as "lastSeq", own.joined_seq::float8 as "joinedSeq", h.*
from members own
join conversations c on c.id = own.conversation_id
left join lateral (
  (select 'sent' as kind, g.seq::float8 as "changeSeq", ${MESSAGE_COLUMNS}
  from message_groups g
  where g.conversation_id = own.conversation_id and g.deleted_seq is null
    and g.seq > greatest($3::bigint, own.joined_seq) and ${hasCopy('g', 'own.user_id')}
  order by g.seq limit $4)
  union all
  (select 'edited', g.edited_seq, ${MESSAGE_COLUMNS}
  from message_groups g
  where g.conversation_id = own.conversation_id and g.deleted_seq is null
    and g.edited_seq > greatest($3::bigint, own.joined_seq) and ${hasCopy('g', 'own.user_id')}
  order by g.edited_seq limit $4)
  union all
  (select 'deleted', g.deleted_seq, null, g.id, null, null, null, null, null, null
  from message_groups g
  where g.conversation_id = own.conversation_id and g.deleted_seq > greatest($3::bigint, own.joined_seq)
  order by g.deleted_seq limit $4)
  order by "changeSeq" limit $4
) h on true
where own.conversation_id = $1 and own.user_id = $2
order by h."changeSeq"`

/** The same, without the contents if they are too large together. */
const CHANGES_THAT_FIT = `
select f."userId", f."lastSeq", f."joinedSeq", f.kind, f."changeSeq", f.id, f."groupId", f."senderId",
  case when f.fits then f.content end as content, case when f.fits then f.shared end as shared, f.seq, f."insertedAt", f."updatedAt", f.fits
from (select *, coalesce(sum(octet_length(content) + coalesce(octet_length(shared), 0)) over (), 0) <= $5::bigint as fits from (${CHANGES}) found) f
order by f."changeSeq"`

const POSITIONS = `
select m.user_id as "userId", m.conversation_id as "conversationId", c.last_seq::float8 as "lastSeq",
  m.joined_seq::float8 as "joinedSeq"
from members m join conversations c on c.id = m.conversation_id
where m.user_id = any($1::uuid[])`
