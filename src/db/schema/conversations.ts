import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  index,
  integer,
  json,
  pgTable,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { users } from './accounts.ts'
import { bytea, insertedAt, preciseTime, seq, time, updatedAt } from './columns.ts'

export const conversations = pgTable(
  'conversations',
  {
    id: uuid('id').primaryKey(),
    private: boolean('private').notNull(),
    alias: text('alias'),
    /** The seq of the latest change. Sends, edits, deletes and leaves count up from 1 without gaps. */
    lastSeq: seq('last_seq').notNull().default(0),
    /** Incremented with every change of the member list, so that a send can detect a stale list. */
    membersVersion: integer('members_version').notNull().default(0),
    /** When the latest message was stored: the next one gets a later time, whatever the clock says. */
    lastMessageAt: preciseTime('last_message_at'),
    insertedAt: insertedAt(),
    updatedAt: updatedAt(),
  },
  (t) => [
    check('conversations_private_has_no_alias', sql`not (${t.private} and ${t.alias} is not null)`),
    check('conversations_alias_length', sql`char_length(${t.alias}) between 1 and 100`),
  ],
)

export const members = pgTable(
  'members',
  {
    conversationId: uuid('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    lastRead: time('last_read'),
    /** The seq of the last message that the member has read. */
    readSeq: seq('read_seq').notNull().default(0),
    /** The conversation's seq when the member was added; earlier changes are not sent to them. */
    joinedSeq: seq('joined_seq').notNull().default(0),
    insertedAt: insertedAt(),
  },
  (t) => [
    primaryKey({ columns: [t.conversationId, t.userId] }),
    index('members_newest').on(t.userId, t.conversationId),
  ],
)

/** Ensures that two users have at most one private conversation. */
export const privatePairs = pgTable(
  'private_pairs',
  {
    lowUserId: uuid('low_user_id')
      .notNull()
      .references(() => users.id),
    highUserId: uuid('high_user_id')
      .notNull()
      .references(() => users.id),
    conversationId: uuid('conversation_id')
      .notNull()
      .unique()
      .references(() => conversations.id, { onDelete: 'cascade' }),
  },
  (t) => [
    primaryKey({ columns: [t.lowUserId, t.highUserId] }),
    check('private_pairs_ordered', sql`${t.lowUserId} < ${t.highUserId}`),
  ],
)

/** A member's key pair for a conversation, encrypted with the vault key whose fingerprint is `vaultKey`. */
export const encryptionKeys = pgTable(
  'encryption_keys',
  {
    conversationId: uuid('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    vaultKey: text('vault_key').notNull(),
    publicKey: bytea('public_key').notNull(),
    privateKey: bytea('private_key').notNull(),
    /** The public key as sent by the client; null in rows of an older version. */
    publicJwk: json('public_jwk').$type<Record<string, unknown>>(),
    insertedAt: insertedAt(),
  },
  (t) => [
    primaryKey({ columns: [t.conversationId, t.userId] }),
    index('encryption_keys_vault_key').on(t.vaultKey),
  ],
)

/** The fingerprints of used vault keys, each with a known text that verifies the key. */
export const vaultKeys = pgTable('vault_keys', {
  fingerprint: text('fingerprint').primaryKey(),
  check: bytea('check').notNull(),
  insertedAt: insertedAt(),
})

/**
 * A message with the encrypted copies of its recipients. A deleted one stays as a tombstone without copies. One row for all
 * copies costs a fraction of one row for each: a group has hundreds of members.
 */
export const messageGroups = pgTable(
  'message_groups',
  {
    id: uuid('id').primaryKey(),
    /** Without foreign keys, which would be checked row by row: the statements that insert lock the conversation and its members. */
    conversationId: uuid('conversation_id').notNull(),
    senderId: uuid('sender_id').notNull(),
    seq: seq('seq').notNull(),
    editedSeq: seq('edited_seq'),
    deletedSeq: seq('deleted_seq'),
    /** Strictly increases with `seq` within a conversation. */
    insertedAt: preciseTime('inserted_at').notNull().defaultNow(),
    /** The sender's id for the message, which makes a repeated send idempotent. */
    clientMessageId: uuid('client_message_id'),
    /** When the message was last edited. */
    updatedAt: preciseTime('updated_at'),
    /** How the copies are stored (`db/queries/conversations/copies.ts`). */
    copyEncoding: smallint('copy_encoding'),
    /** The recipients in the order of their ids. */
    recipients: uuid('recipients').array(),
    /** The copy of each recipient, in the same order. */
    copies: bytea('copies').array(),
    /** The id of each copy, where it does not follow from those of the message and the recipient. */
    copyIds: uuid('copy_ids').array(),
    /** A ciphertext that all copies refer to, as the sender's client made it. */
    shared: text('shared'),
  },
  (t) => [
    // A partial index: history does not read tombstones.
    uniqueIndex('message_groups_history').on(t.conversationId, t.seq).where(sql`${t.deletedSeq} is null`),
    uniqueIndex('message_groups_client_message')
      .on(t.conversationId, t.senderId, t.clientMessageId)
      .where(sql`${t.clientMessageId} is not null`),
    index('message_groups_edited')
      .on(t.conversationId, t.editedSeq)
      .where(sql`${t.editedSeq} is not null and ${t.deletedSeq} is null`),
    index('message_groups_deleted')
      .on(t.conversationId, t.deletedSeq)
      .where(sql`${t.deletedSeq} is not null`),
    check('message_groups_order', sql`${t.editedSeq} > ${t.seq} and ${t.deletedSeq} > ${t.seq}`),
  ],
)

/**
 * A range of `seq` in which a user may have copies of messages besides those since they were added to the conversation: of an
 * earlier membership, or of one earlier message that was edited for the present members.
 */
export const copyRanges = pgTable(
  'copy_ranges',
  {
    conversationId: uuid('conversation_id')
      .notNull()
      .references(() => conversations.id, { onDelete: 'cascade' }),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    afterSeq: seq('after_seq').notNull(),
    untilSeq: seq('until_seq').notNull(),
  },
  (t) => [primaryKey({ columns: [t.conversationId, t.userId, t.untilSeq, t.afterSeq] })],
)
