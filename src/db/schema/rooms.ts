import { sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  bigint,
  check,
  index,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { MEDIA_FORMATS } from '../../media-formats.ts'
import { users } from './accounts.ts'
import { insertedAt, seq } from './columns.ts'

export const rooms = pgTable(
  'rooms',
  {
    id: text('id').primaryKey(),
    name: text('name').notNull().unique('rooms_name_unique'),
    creatorId: uuid('creator_id')
      .notNull()
      .references(() => users.id),
    /** The seq of the latest message or removal. */
    lastSeq: seq('last_seq').notNull().default(0),
    insertedAt: insertedAt(),
  },
  (t) => [index('rooms_inserted').on(t.insertedAt, t.id)],
)

export const roomMembers = pgTable(
  'room_members',
  {
    roomId: text('room_id')
      .notNull()
      .references(() => rooms.id, { onDelete: 'cascade' }),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    insertedAt: insertedAt(),
  },
  (t) => [primaryKey({ columns: [t.roomId, t.userId] }), index('room_members_user').on(t.userId)],
)

/** An image, audio or video file in the media store. The server detects the format from the bytes. */
export const media = pgTable(
  'media',
  {
    id: text('id').primaryKey(),
    roomId: text('room_id')
      .notNull()
      .references(() => rooms.id, { onDelete: 'cascade' }),
    ownerId: uuid('owner_id')
      .notNull()
      .references(() => users.id),
    format: text('format', { enum: MEDIA_FORMATS }).notNull(),
    contentType: text('content_type').notNull(),
    /** Bytes. */
    size: bigint('size', { mode: 'number' }).notNull(),
    insertedAt: insertedAt(),
  },
  (t) => [
    index('media_owner').on(t.ownerId, t.insertedAt),
    check('media_format', sql`${t.format} in ('image', 'audio', 'video')`),
  ],
)

export const roomMessages = pgTable(
  'room_messages',
  {
    id: text('id').primaryKey(),
    roomId: text('room_id')
      .notNull()
      .references(() => rooms.id, { onDelete: 'cascade' }),
    senderId: uuid('sender_id')
      .notNull()
      .references(() => users.id),
    /** The position of the message in the room: counts up from 1 without gaps. */
    seq: seq('seq').notNull(),
    textContent: text('text_content'),
    mediaId: text('media_id')
      .unique()
      .references(() => media.id),
    /** The message that this one replies to. */
    previousMessageId: text('previous_message_id').references((): AnyPgColumn => roomMessages.id),
    /** The sender's id for the message, which makes a repeated send idempotent. */
    clientMessageId: uuid('client_message_id'),
    insertedAt: insertedAt(),
  },
  (t) => [
    unique('room_messages_seq').on(t.roomId, t.seq),
    uniqueIndex('room_messages_client_message')
      .on(t.roomId, t.senderId, t.clientMessageId)
      .where(sql`${t.clientMessageId} is not null`),
    index('room_messages_previous').on(t.previousMessageId),
    check('room_messages_content', sql`(${t.textContent} is null) <> (${t.mediaId} is null)`),
  ],
)
