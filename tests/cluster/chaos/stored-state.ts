import postgres from 'postgres'
import { STORED_COPIES } from '../../support/stored-copies.ts'

/** A stored message. */
export interface StoredGroup {
  seq: number
  wasEdited: boolean
  isDeleted: boolean
}

/** A stored conversation. */
export interface StoredConversation {
  /** The number of changes. */
  lastSeq: number
  /** The `seq` of all sends, latest edits and deletions. */
  changeSeqs: number[]
  /** The `seq` at which each member joined. */
  members: Map<string, number>
  groups: Map<string, StoredGroup>
  /** The copies of each user, by message group. */
  copies: Map<string, Map<string, { seq: number; content: string }>>
}

export interface StoredRoom {
  members: Set<string>
  /** Texts and `seq` by message id. */
  messages: Map<string, { seq: number; text: string }>
}

/** The content of the database. */
export interface StoredState {
  conversations: Map<string, StoredConversation>
  rooms: Map<string, StoredRoom>
  hidden: Set<string>
}

/** Reads the database in one snapshot. */
export async function readStoredState(url: string): Promise<StoredState> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await sql.begin('isolation level repeatable read', readAll)
  } finally {
    await sql.end()
  }
}

async function readAll(sql: postgres.TransactionSql): Promise<StoredState> {
  const state: StoredState = { conversations: new Map(), rooms: new Map(), hidden: new Set() }
  for (const { id, last } of await sql`select id, last_seq::int as last from conversations`) {
    const empty = { changeSeqs: [], members: new Map(), groups: new Map(), copies: new Map() }
    state.conversations.set(id, { lastSeq: last, ...empty })
  }
  for (const row of await sql`select conversation_id, user_id, joined_seq::int from members`)
    state.conversations.get(row.conversation_id)?.members.set(row.user_id, row.joined_seq)
  for (const row of await sql`select *, seq::int as position from message_groups`) {
    const group = {
      seq: row.position,
      wasEdited: row.edited_seq !== null,
      isDeleted: row.deleted_seq !== null,
    }
    const conversation = state.conversations.get(row.conversation_id)
    conversation?.groups.set(row.id, group)
    for (const seq of [row.seq, row.edited_seq, row.deleted_seq])
      if (seq !== null) conversation?.changeSeqs.push(Number(seq))
  }
  for (const row of await sql`select * from ${sql.unsafe(STORED_COPIES)}`) {
    const copies = state.conversations.get(row.conversation_id)?.copies
    const own = copies?.get(row.recipient_id) ?? new Map()
    copies?.set(row.recipient_id, own.set(row.group_id, { seq: row.seq, content: row.content }))
  }
  for (const { id } of await sql`select id from rooms`)
    state.rooms.set(id, { members: new Set(), messages: new Map() })
  for (const row of await sql`select room_id, user_id from room_members`)
    state.rooms.get(row.room_id)?.members.add(row.user_id)
  for (const row of await sql`select *, seq::int as position from room_messages`)
    state.rooms.get(row.room_id)?.messages.set(row.id, { seq: row.position, text: row.text_content })
  for (const { id } of await sql`select user_id as id from profiles where hidden`) state.hidden.add(id)
  return state
}
