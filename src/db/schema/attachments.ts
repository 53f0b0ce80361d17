import { sql } from 'drizzle-orm'
import { bigint, check, index, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { users } from './accounts.ts'
import { insertedAt, time } from './columns.ts'

/**
 * A file that a member uploads for the messages of a conversation, encrypted by their client. A row outlives its conversation and its
 * message, until the file is deleted and no longer counts towards the quota of its uploader.
 */
export const attachments = pgTable(
  'attachments',
  {
    id: uuid('id').primaryKey(),
    conversationId: uuid('conversation_id').notNull(),
    uploaderId: uuid('uploader_id')
      .notNull()
      .references(() => users.id),
    /** Declared by the client, in bytes. */
    size: bigint('size', { mode: 'number' }).notNull(),
    /** How many of the first bytes are durable. */
    received: bigint('received', { mode: 'number' }).notNull().default(0),
    /** Who receives bytes at present, and until when it holds the upload. */
    writer: text('writer'),
    writerUntil: time('writer_until'),
    /** The message that the file belongs to; null before it is sent. */
    messageId: uuid('message_id'),
    insertedAt: insertedAt(),
    /** Since when the file is to be deleted. */
    releasedAt: time('released_at'),
    /** When the file was deleted. */
    removedAt: time('removed_at'),
  },
  (t) => [
    index('attachments_conversation').on(t.conversationId),
    index('attachments_uploader').on(t.uploaderId, t.insertedAt),
    index('attachments_message').on(t.messageId).where(sql`${t.messageId} is not null`),
    index('attachments_unbound')
      .on(t.insertedAt)
      .where(sql`${t.messageId} is null and ${t.releasedAt} is null`),
    index('attachments_released')
      .on(t.releasedAt)
      .where(sql`${t.releasedAt} is not null and ${t.removedAt} is null`),
    index('attachments_removed').on(t.insertedAt).where(sql`${t.removedAt} is not null`),
    check('attachments_received', sql`${t.received} between 0 and ${t.size}`),
  ],
)
