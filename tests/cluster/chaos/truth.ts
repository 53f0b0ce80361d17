import postgres from 'postgres'

/** A message as the database has it. */
export interface StoredGroup {
  seq: number
  wasEdited: boolean
  isDeleted: boolean
}

/** A conversation as the database has it. */
export interface StoredConversation {
  /** How many changes there were. */
  lastSeq: number
  /** The places of all sends, latest edits and deletions. */
  places: number[]
  /** Where each member's membership began. */
  members: Map<string, number>
  groups: Map<string, StoredGroup>
  /** The copies of each user, by group. */
  copies: Map<string, Map<string, { seq: number; content: string }>>
}

export interface StoredRoom {
  members: Set<string>
  /** Texts and places by the id of the message. */
  messages: Map<string, { seq: number; text: string }>
}

/** What is so, whatever anybody was told. */
export interface Truth {
  conversations: Map<string, StoredConversation>
  rooms: Map<string, StoredRoom>
  hidden: Set<string>
}

/** Reads everything, as of one moment. */
export async function readTruth(url: string): Promise<Truth> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await sql.begin('isolation level repeatable read', readAll)
  } finally {
    await sql.end()
  }
}

async function readAll(sql: postgres.TransactionSql): Promise<Truth> {
  const truth: Truth = { conversations: new Map(), rooms: new Map(), hidden: new Set() }
  for (const { id, last } of await sql`select id, last_seq::int as last from conversations`) {
    const empty = { places: [], members: new Map(), groups: new Map(), copies: new Map() }
    truth.conversations.set(id, { lastSeq: last, ...empty })
  }
  for (const row of await sql`select conversation_id, user_id, joined_seq::int from members`)
    truth.conversations.get(row.conversation_id)?.members.set(row.user_id, row.joined_seq)
  for (const row of await sql`select *, seq::int as place from message_groups`) {
    const group = { seq: row.place, wasEdited: row.edited_seq !== null, isDeleted: row.deleted_seq !== null }
    const conversation = truth.conversations.get(row.conversation_id)
    conversation?.groups.set(row.id, group)
    for (const place of [row.seq, row.edited_seq, row.deleted_seq])
      if (place !== null) conversation?.places.push(Number(place))
  }
  for (const row of await sql`select *, seq::int as place from messages`) {
    const copies = truth.conversations.get(row.conversation_id)?.copies
    const own = copies?.get(row.recipient_id) ?? new Map()
    copies?.set(row.recipient_id, own.set(row.group_id, { seq: row.place, content: row.content }))
  }
  for (const { id } of await sql`select id from rooms`)
    truth.rooms.set(id, { members: new Set(), messages: new Map() })
  for (const row of await sql`select room_id, user_id from room_members`)
    truth.rooms.get(row.room_id)?.members.add(row.user_id)
  for (const row of await sql`select *, seq::int as place from room_messages`)
    truth.rooms.get(row.room_id)?.messages.set(row.id, { seq: row.place, text: row.text_content })
  for (const { id } of await sql`select user_id as id from profiles where hidden`) truth.hidden.add(id)
  return truth
}
