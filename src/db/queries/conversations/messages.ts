import type { Database } from '../../database.ts'
import { uuidArray } from '../array-literal.ts'
import { copyColumns, copyIds, hasCopy } from './copies.ts'

/** One recipient's copy of a message. Times are milliseconds since the epoch, with the microseconds as a fraction. */
export interface Message {
  id: string
  groupId: string
  senderId: string
  content: string
  /** The ciphertext that the copies of all recipients refer to. */
  shared: string | null
  /** The position of the message in the conversation's order of changes. */
  seq: number
  insertedAt: number
  updatedAt: number
}

/** A page of a member's messages. */
export interface HistoryQuery {
  conversationId: string
  userId: string
  /** Only messages with a smaller `seq`. */
  before: number
}

/**
 * Reads several pages in one statement.
 * @param length of each page. It is part of the statement, because PostgreSQL would not reuse a plan for an unknown limit.
 * @returns the readers' copies, newest first, in the order of the queries; undefined for a reader who is not a member.
 */
export async function readHistories(
  db: Database,
  queries: readonly HistoryQuery[],
  length: number,
): Promise<(Message[] | undefined)[]> {
  const rows = await db.rows<HistoryRow>(histories(length), [
    uuidArray(queries.map(({ conversationId }) => conversationId)),
    uuidArray(queries.map(({ userId }) => userId)),
    `{${queries.map(({ before }) => before).join(',')}}`,
  ])
  const pages: (Message[] | undefined)[] = queries.map(() => undefined)
  for (const row of rows) {
    const page = pages[row.page - 1] ?? []
    pages[row.page - 1] = page
    if (row.groupId !== null) page.push(messageOf(row, queries[row.page - 1]!.userId))
  }
  // The rows arrive in order, although SQL does not guarantee it. Sorting a sorted array is cheap.
  for (const page of pages) page?.sort((one, other) => other.seq - one.seq)
  return pages
}

type HistoryRow = { page: number } & (MessageRow | { groupId: null })

/** A message as a statement returns it. The id is null if it follows from the message and the recipient. */
export type MessageRow = Omit<Message, 'id'> & { id: string | null }

export function messageOf(row: MessageRow, recipientId: string): Message {
  const { id, groupId, senderId, content, shared, seq, insertedAt, updatedAt } = row
  const ownId = id ?? copyIds(groupId)(recipientId)
  return { id: ownId, groupId, senderId, content, shared, seq, insertedAt, updatedAt }
}

/** The columns of a `MessageRow` in SQL. */
export function messageColumns(message: string, recipient: string): string {
  return `${copyColumns(message, recipient)}, ${message}.shared, ${message}.sender_id as "senderId", ${message}.seq::float8 as seq,
    ${milliseconds(`${message}.inserted_at`)} as "insertedAt",
    ${milliseconds(`coalesce(${message}.updated_at, ${message}.inserted_at)`)} as "updatedAt"`
}

function milliseconds(time: string): string {
  return `round(date_part('epoch', ${time}) * 1000000) / 1000`
}

/** The ranges of `seq` in which a member has copies: since they were added, and those in `copy_ranges`. They may overlap. */
const RANGES = `
  select own.joined_seq as after_seq, 9223372036854775807 as until_seq
  union all
  select after_seq, until_seq from copy_ranges
  where conversation_id = asked.conversation_id and user_id = asked.user_id and after_seq < asked.before - 1`

/** The join with the member's row distinguishes a member without messages from a user who is not a member. */
function histories(length: number): string {
  return `
select asked.page::int4 as page, h.*
from unnest($1::uuid[], $2::uuid[], $3::bigint[])
  with ordinality as asked (conversation_id, user_id, before, page)
cross join lateral (
  select joined_seq from members m
  where m.conversation_id = asked.conversation_id and m.user_id = asked.user_id limit 1
) own
left join lateral (
  select distinct on (g.seq) ${messageColumns('g', 'asked.user_id')}
  from (${RANGES}) range cross join lateral (
    select * from message_groups m
    where m.conversation_id = asked.conversation_id and m.deleted_seq is null
      and m.seq > range.after_seq and m.seq <= range.until_seq and m.seq < asked.before and ${hasCopy('m', 'asked.user_id')}
    order by m.seq desc limit ${length}
  ) g
  order by g.seq desc limit ${length}
) h on true`
}
