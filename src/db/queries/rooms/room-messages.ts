import { and, asc, desc, eq, gt, inArray, lt, type SQL } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Orm } from '../../database.ts'
import { type MediaFormat, media, roomMessages, users } from '../../schema.ts'

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

/** The messages of a room before a `seq`, newest first. */
export async function listRoomMessages(
  db: Orm,
  { roomId, before, limit }: { roomId: string; before: number; limit: number },
): Promise<RoomMessage[]> {
  const isEarlier = and(eq(roomMessages.roomId, roomId), lt(roomMessages.seq, before))
  const rows = await selectMessages(db, isEarlier).orderBy(desc(roomMessages.seq)).limit(limit)
  return rows.map(withPrevious)
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
