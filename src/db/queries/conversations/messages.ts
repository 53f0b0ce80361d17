import type { Database } from '../../database.ts'
import { uuidArray } from '../array-literal.ts'

/** One recipient's copy of a message. Times are milliseconds since the epoch, with the microseconds as a fraction. */
export interface Message {
  id: string
  groupId: string
  senderId: string
  content: string
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
    if (row.id !== null) page.push(messageOf(row))
  }
  // The rows arrive in order, although SQL does not guarantee it. Sorting a sorted array is cheap.
  for (const page of pages) page?.sort((one, other) => other.seq - one.seq)
  return pages
}

type HistoryRow = { page: number } & (Message | { id: null })

function messageOf({ id, groupId, senderId, content, seq, insertedAt, updatedAt }: Message): Message {
  return { id, groupId, senderId, content, seq, insertedAt, updatedAt }
}

/** The join with the member's row distinguishes a member without messages from a user who is not a member. */
function histories(length: number): string {
  return `
select asked.page::int4 as page, h.*
from unnest($1::uuid[], $2::uuid[], $3::bigint[])
  with ordinality as asked (conversation_id, user_id, before, page)
cross join lateral (
  select from members own where own.conversation_id = asked.conversation_id and own.user_id = asked.user_id limit 1
) own
left join lateral (
  select m.id, m.group_id as "groupId", g.sender_id as "senderId", m.content, m.seq::float8 as seq,
    round(date_part('epoch', g.inserted_at) * 1000000) / 1000 as "insertedAt",
    round(date_part('epoch', m.updated_at) * 1000000) / 1000 as "updatedAt"
  from messages m join message_groups g on g.id = m.group_id
  where m.conversation_id = asked.conversation_id and m.recipient_id = asked.user_id and m.seq < asked.before
  order by m.seq desc limit ${length}
) h on true`
}
