import { and, asc, eq, gt, inArray, type SQL } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { MediaFormat } from '../../../media-formats.ts'
import type { Database, Orm } from '../../database.ts'
import { media, roomMessages, users } from '../../schema.ts'
import { textArray, uuidArray } from '../array-literal.ts'

/** A message of a room, with its sender, its media, and the message that it replies to. */
export interface RoomMessage {
  id: string
  roomId: string
  /** The position of the message in the room's order. */
  seq: number
  /** Null for media. */
  text: string | null
  media: RoomMedia | null
  sender: { shortId: string; username: string }
  /** The message that it replies to; null if it is not a reply. */
  previous: { id: string; text: string | null; format: MediaFormat | null; username: string } | null
  insertedAt: Date
}

/** An image, audio or video file that was sent to a room. */
export interface RoomMedia {
  id: string
  format: MediaFormat
  contentType: string
  /** Bytes. */
  size: number
}

/** A message to be stored. */
export interface NewRoomMessage {
  id: string
  roomId: string
  senderId: string
  seq: number
  textContent: string | null
  mediaId: string | null
  previousMessageId: string | null
  clientMessageId: string | null
  insertedAt: Date
}

export async function insertRoomMessage(tx: Orm, message: NewRoomMessage): Promise<void> {
  await tx.insert(roomMessages).values(message)
}

/** Whether the message is in this room. */
export async function isInRoom(db: Orm, roomId: string, messageId: string): Promise<boolean> {
  const isIt = and(eq(roomMessages.id, messageId), eq(roomMessages.roomId, roomId))
  return (await db.select({ id: roomMessages.id }).from(roomMessages).where(isIt)).length > 0
}

export async function findRoomMessage(db: Orm, id: string): Promise<RoomMessage | undefined> {
  const [row] = await selectMessages(db, eq(roomMessages.id, id))
  return row && withPrevious(row)
}

/** Those of these messages that exist, in any order. */
export async function findRoomMessages(db: Orm, ids: readonly string[]): Promise<RoomMessage[]> {
  if (ids.length === 0) return []
  return (await selectMessages(db, inArray(roomMessages.id, [...ids]))).map(withPrevious)
}

/** The message that a user has sent to a room with this client message id. */
export async function findByClientMessageId(
  db: Orm,
  { roomId, senderId, clientMessageId }: { roomId: string; senderId: string; clientMessageId: string },
): Promise<RoomMessage | undefined> {
  const isTheirs = and(eq(roomMessages.roomId, roomId), eq(roomMessages.senderId, senderId))
  const [row] = await selectMessages(db, and(isTheirs, eq(roomMessages.clientMessageId, clientMessageId)))
  return row && withPrevious(row)
}

/** A page of the messages of a room, for one of its members. */
export interface RoomHistoryQuery {
  roomId: string
  userId: string
  /** Only messages with a smaller `seq`. */
  before: number
}

/**
 * Reads several pages in one statement.
 * @param length of each page. It is part of the statement, because PostgreSQL would not reuse a plan for an unknown limit.
 * @returns the messages, newest first, in the order of the queries; undefined for a reader who is not a member.
 */
export async function readRoomHistories(
  db: Database,
  queries: readonly RoomHistoryQuery[],
  length: number,
): Promise<(RoomMessage[] | undefined)[]> {
  const rows = await db.rows<HistoryRow>(histories(length), [
    textArray(queries.map(({ roomId }) => roomId)),
    uuidArray(queries.map(({ userId }) => userId)),
    `{${queries.map(({ before }) => before).join(',')}}`,
  ])
  const pages: (RoomMessage[] | undefined)[] = queries.map(() => undefined)
  for (const row of rows) {
    const page = pages[row.page - 1] ?? []
    pages[row.page - 1] = page
    if (row.id !== null) page.push(messageOf(row, (queries[row.page - 1] as RoomHistoryQuery).roomId))
  }
  // The rows arrive in order, although SQL does not guarantee it. Sorting a sorted array is cheap.
  for (const page of pages) page?.sort((one, other) => other.seq - one.seq)
  return pages
}

/** The first messages of a room after a `seq`, in order. */
export async function listRoomMessagesAfter(
  db: Orm,
  { roomId, after, limit }: { roomId: string; after: number; limit: number },
): Promise<RoomMessage[]> {
  const isLater = and(eq(roomMessages.roomId, roomId), gt(roomMessages.seq, after))
  const rows = await selectMessages(db, isLater).orderBy(asc(roomMessages.seq)).limit(limit)
  return rows.map(withPrevious)
}

const previous = alias(roomMessages, 'previous')
const previousMedia = alias(media, 'previous_media')
const previousSender = alias(users, 'previous_sender')

function selectMessages(db: Orm, condition: SQL | undefined) {
  return db
    .select({
      id: roomMessages.id,
      roomId: roomMessages.roomId,
      seq: roomMessages.seq,
      text: roomMessages.textContent,
      media: { id: media.id, format: media.format, contentType: media.contentType, size: media.size },
      sender: { shortId: users.shortId, username: users.username },
      previousId: previous.id,
      previousText: previous.textContent,
      previousFormat: previousMedia.format,
      previousUsername: previousSender.username,
      insertedAt: roomMessages.insertedAt,
    })
    .from(roomMessages)
    .innerJoin(users, eq(users.id, roomMessages.senderId))
    .leftJoin(media, eq(media.id, roomMessages.mediaId))
    .leftJoin(previous, eq(previous.id, roomMessages.previousMessageId))
    .leftJoin(previousMedia, eq(previousMedia.id, previous.mediaId))
    .leftJoin(previousSender, eq(previousSender.id, previous.senderId))
    .where(condition)
    .$dynamic()
}

type Row = Awaited<ReturnType<typeof selectMessages>>[number]

function withPrevious({ previousId, previousText, previousFormat, previousUsername, ...message }: Row) {
  const previous = previousId !== null &&
    previousUsername !== null && {
      id: previousId,
      text: previousText,
      format: previousFormat,
      username: previousUsername,
    }
  return { ...message, previous: previous || null }
}

type HistoryRow = { page: number } & (StoredMessage | { id: null })

interface StoredMessage {
  id: string
  seq: number
  text: string | null
  /** Milliseconds since the epoch. */
  insertedAt: number
  shortId: string
  username: string
  mediaId: string | null
  format: MediaFormat
  contentType: string
  size: number
  previousId: string | null
  previousText: string | null
  previousFormat: MediaFormat | null
  previousUsername: string
}

function messageOf(row: StoredMessage, roomId: string): RoomMessage {
  const { id, seq, text, shortId, username, mediaId, format, contentType, size, previousId } = row
  return {
    id,
    roomId,
    seq,
    text,
    media: mediaId === null ? null : { id: mediaId, format, contentType, size },
    sender: { shortId, username },
    previous:
      previousId === null
        ? null
        : {
            id: previousId,
            text: row.previousText,
            format: row.previousFormat,
            username: row.previousUsername,
          },
    insertedAt: new Date(row.insertedAt),
  }
}

/** The join with the member's row distinguishes a room without messages from a user who is not a member. */
function histories(length: number): string {
  return `
select asked.page::int4 as page, h.*
from unnest($1::text[], $2::uuid[], $3::bigint[]) with ordinality as asked (room_id, user_id, before, page)
cross join lateral (
  select from room_members own where own.room_id = asked.room_id and own.user_id = asked.user_id limit 1
) own
left join lateral (
  select m.id, m.seq::float8 as seq, m.text_content as text,
    floor(date_part('epoch', m.inserted_at) * 1000)::float8 as "insertedAt", u.short_id as "shortId", u.username,
    f.id as "mediaId", f.format, f.content_type as "contentType", f.size::float8 as size,
    p.id as "previousId", p.text_content as "previousText", pf.format as "previousFormat",
    pu.username as "previousUsername"
  from (
    select * from room_messages where room_id = asked.room_id and seq < asked.before order by seq desc limit ${length}
  ) m
  join users u on u.id = m.sender_id
  left join media f on f.id = m.media_id
  left join room_messages p on p.id = m.previous_message_id
  left join media pf on pf.id = p.media_id
  left join users pu on pu.id = p.sender_id
  order by m.seq desc
) h on true`
}
