import type { Database } from '../database.ts'

/** One recipient's copy of a message. Times are milliseconds since the epoch. */
export interface Message {
  id: string
  groupId: string
  senderId: string
  content: string
  /** The place of its sending in the conversation's order. */
  seq: number
  insertedAt: number
  updatedAt: number
}

interface HistoryQuery {
  conversationId: string
  userId: string
  /** Only messages before this place. */
  before: number
  limit: number
}

/** A reader's copies, newest first; undefined for one who is no member. */
export async function readHistory(
  db: Database,
  { conversationId, userId, before, limit }: HistoryQuery,
): Promise<Message[] | undefined> {
  const rows = await db.rows<Message | { id: null }>(HISTORY, [conversationId, userId, before, limit])
  if (rows.length === 0) return undefined
  return rows.filter((row): row is Message => row.id !== null)
}

/** The member's own row comes first, so that one statement tells a member without messages from a stranger. */
const HISTORY = `
select h.* from members own left join lateral (
  select m.id, m.group_id as "groupId", g.sender_id as "senderId", m.content, m.seq::float8 as seq,
    (extract(epoch from g.inserted_at) * 1000)::float8 as "insertedAt",
    (extract(epoch from m.updated_at) * 1000)::float8 as "updatedAt"
  from messages m join message_groups g on g.id = m.group_id
  where m.conversation_id = own.conversation_id and m.recipient_id = own.user_id and m.seq < $3
  order by m.seq desc limit $4
) h on true
where own.conversation_id = $1 and own.user_id = $2`
