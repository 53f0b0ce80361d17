import type { Database } from '../database.ts'
import { uuidArray } from './array-literal.ts'
import type { Message } from './messages.ts'

/** A change of a conversation's messages, as one member may see it: `place` is where it is in the order. */
export type Change =
  | { kind: 'sent' | 'edited'; place: number; message: Message }
  | { kind: 'deleted'; place: number; groupId: string }

/** What happened in a conversation since a place in its order, as of one moment. */
export interface Changes {
  /** The place of the latest change. */
  lastSeq: number
  /** Where the reader's membership began: nothing up to there is among the changes. */
  joinedSeq: number
  /** In order. `too_many`: more than asked for, or longer, and so none of them. */
  changes: Change[] | 'too_many'
}

interface ChangesQuery {
  conversationId: string
  userId: string
  /** Only changes after this place. */
  afterSeq: number
  /** How many changes there may be. */
  limit: number
}

/** Bytes that the contents of changes may have together: one frame is to hold them, and not all readers are fast. */
const MOST_BYTES = 1_048_576

/**
 * The changes of a conversation after a place, with the reader's own copies as they are now; undefined for one who is no
 * member. Whoever applies them in order has the true state in the end. A place is missing where nothing is left to tell: the
 * sending and the edits of a message that was deleted since, an edit that a later one has replaced, a leave. A message
 * that was sent and then edited appears twice, with its present content each time.
 */
export async function readChanges(
  db: Database,
  { conversationId, userId, afterSeq, limit }: ChangesQuery,
): Promise<Changes | undefined> {
  const params = [conversationId, userId, afterSeq, limit + 1, MOST_BYTES]
  const rows = await db.rows<ChangeRow & { fits: boolean }>(CHANGES_THAT_FIT, params)
  const [first] = rows
  if (!first) return undefined
  const { lastSeq, joinedSeq } = first
  const found = rows.filter((row) => row.kind !== null)
  const isTooMuch = found.length > limit || !first.fits
  return { lastSeq, joinedSeq, changes: isTooMuch ? 'too_many' : found.map(changeOf) }
}

/** The first of the changes after a place; undefined for one who is no member. */
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
  return { upTo: isLast ? first.lastSeq : changes.at(-1)!.place, isLast, changes }
}

/** Where a conversation stands, and where one member came in. */
export interface Position {
  userId: string
  conversationId: string
  lastSeq: number
  joinedSeq: number
}

/** Where all the conversations of these users stand, as of one moment. */
export function positionsOf(db: Database, userIds: readonly string[]): Promise<Position[]> {
  return db.rows(POSITIONS, [uuidArray(userIds)])
}

interface ChangeRow extends Message {
  lastSeq: number
  joinedSeq: number
  kind: Change['kind'] | null
  place: number
}

function changeOf(row: ChangeRow): Change {
  const { kind, place, id, groupId, senderId, content, seq, insertedAt, updatedAt } = row
  if (kind === 'deleted') return { kind, place, groupId }
  const message = { id, groupId, senderId, content, seq, insertedAt, updatedAt }
  return { kind: kind as 'sent' | 'edited', place, message }
}

/**
 * One statement reads as of one moment: `last_seq` and the changes agree. Each kind is read along its own index, newest
 * places only, and never more rows than are asked for. The member's own row comes first, as in the history.
 */
const CHANGES = `
select c.last_seq::float8 as "lastSeq", own.joined_seq::float8 as "joinedSeq", h.*
from members own
join conversations c on c.id = own.conversation_id
left join lateral (
  (select 'sent' as kind, m.seq::float8 as place, m.id, m.group_id as "groupId", g.sender_id as "senderId", m.content,
    m.seq::float8 as seq, (extract(epoch from g.inserted_at) * 1000)::float8 as "insertedAt",
    (extract(epoch from m.updated_at) * 1000)::float8 as "updatedAt"
  from messages m join message_groups g on g.id = m.group_id
  where m.conversation_id = own.conversation_id and m.recipient_id = own.user_id
    and m.seq > greatest($3::bigint, own.joined_seq)
  order by m.seq limit $4)
  union all
  (select 'edited', g.edited_seq, m.id, m.group_id, g.sender_id, m.content, m.seq,
    (extract(epoch from g.inserted_at) * 1000)::float8, (extract(epoch from m.updated_at) * 1000)::float8
  from message_groups g join messages m on m.group_id = g.id and m.recipient_id = own.user_id
  where g.conversation_id = own.conversation_id and g.deleted_seq is null
    and g.edited_seq > greatest($3::bigint, own.joined_seq)
  order by g.edited_seq limit $4)
  union all
  (select 'deleted', g.deleted_seq, null, g.id, null, null, null, null, null
  from message_groups g
  where g.conversation_id = own.conversation_id and g.deleted_seq > greatest($3::bigint, own.joined_seq)
  order by g.deleted_seq limit $4)
  order by place limit $4
) h on true
where own.conversation_id = $1 and own.user_id = $2
order by h.place`

/** The same; where the contents are too long together, they are not read. */
const CHANGES_THAT_FIT = `
select f."lastSeq", f."joinedSeq", f.kind, f.place, f.id, f."groupId", f."senderId",
  case when f.fits then f.content end as content, f.seq, f."insertedAt", f."updatedAt", f.fits
from (select *, coalesce(sum(octet_length(content)) over (), 0) <= $5::bigint as fits from (${CHANGES}) found) f
order by f.place`

const POSITIONS = `
select m.user_id as "userId", m.conversation_id as "conversationId", c.last_seq::float8 as "lastSeq",
  m.joined_seq::float8 as "joinedSeq"
from members m join conversations c on c.id = m.conversation_id
where m.user_id = any($1::uuid[])`
