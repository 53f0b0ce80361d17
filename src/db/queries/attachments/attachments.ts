import { and, eq, gt, isNull, sql } from 'drizzle-orm'
import type { Database, Orm } from '../../database.ts'
import { attachments, members } from '../../schema.ts'

/** An uploaded file, or one that is being uploaded. */
export interface Attachment {
  id: string
  uploaderId: string
  /** Bytes of the whole file. */
  size: number
  /** How many of the first bytes are durable. */
  received: number
  /** The message that it belongs to. */
  messageId: string | null
  /** Who receives bytes at present; null if nobody does. */
  writer: string | null
  /** Until when the writer holds the upload. */
  writerUntil: Date | null
}

/** Names an attachment as a request does. */
export interface AttachmentRef {
  id: string
  conversationId: string
}

export async function insertAttachment(
  tx: Orm,
  row: { id: string; conversationId: string; uploaderId: string; size: number; insertedAt: Date },
): Promise<void> {
  await tx.insert(attachments).values(row)
}

/** Whether the user is a member of the conversation. */
export async function isMember(orm: Orm, conversationId: string, userId: string): Promise<boolean> {
  const rows = await orm
    .select({ userId: members.userId })
    .from(members)
    .where(and(eq(members.conversationId, conversationId), eq(members.userId, userId)))
  return rows.length > 0
}

/** Finds an attachment that is not to be deleted. */
export async function findAttachment(
  orm: Orm,
  { id, conversationId }: AttachmentRef,
): Promise<Attachment | undefined> {
  const rows = await orm
    .select(columns)
    .from(attachments)
    .where(
      and(
        eq(attachments.id, id),
        eq(attachments.conversationId, conversationId),
        isNull(attachments.releasedAt),
      ),
    )
  return rows[0]
}

/**
 * Lets a writer receive the rest of an upload, unless it has changed since it was read.
 * @returns whether it holds the upload now.
 */
export async function takeUpload(
  db: Database,
  { id, received, writer }: Attachment,
  taken: { writer: string; until: Date },
): Promise<boolean> {
  const rows = await db.rows(TAKE, [id, received, writer, taken.writer, taken.until.toISOString()])
  return rows.length > 0
}

/**
 * Records how many bytes are durable, and until when the writer holds the upload; null ends that.
 * @returns whether the writer still held it, and it is not to be deleted.
 */
export async function recordReceived(
  db: Database,
  { id, writer, received, until }: { id: string; writer: string; received: number; until: Date | null },
): Promise<boolean> {
  const rows = await db.rows(RECORD, [id, writer, received, until?.toISOString() ?? null])
  return rows.length > 0
}

/** Marks an attachment of no message for deletion, unless somebody writes it. @returns whether it did. */
export async function releaseUnbound(db: Database, id: string, now: Date): Promise<boolean> {
  return (await db.rows(RELEASE_UNBOUND, [id, now.toISOString()])).length > 0
}

/** What the user has declared since a time. */
export async function attachmentUse(
  orm: Orm,
  uploaderId: string,
  since: Date,
): Promise<{ files: number; bytes: number }> {
  const rows = await orm
    .select({
      files: sql<number>`count(*)`.mapWith(Number),
      bytes: sql<number>`coalesce(sum(${attachments.size}), 0)`.mapWith(Number),
    })
    .from(attachments)
    .where(and(eq(attachments.uploaderId, uploaderId), gt(attachments.insertedAt, since)))
  return rows[0]!
}

/**
 * The time of the attachment up to which the oldest ones of the user since a time add up to `bytes` and `files`; undefined when all
 * together are fewer.
 */
export async function timeOfOldestAttachment(
  db: Orm,
  uploaderId: string,
  { since, bytes, files }: { since: Date; bytes: number; files: number },
): Promise<Date | undefined> {
  const order = sql`over (order by ${attachments.insertedAt}, ${attachments.id})`
  const declared = db
    .select({
      insertedAt: attachments.insertedAt,
      bytes: sql<number>`sum(${attachments.size}) ${order}`.as('bytes'),
      files: sql<number>`row_number() ${order}`.as('files'),
    })
    .from(attachments)
    .where(and(eq(attachments.uploaderId, uploaderId), gt(attachments.insertedAt, since)))
    .as('declared')
  const rows = await db
    .select({ insertedAt: declared.insertedAt })
    .from(declared)
    .where(sql`${declared.bytes} >= ${bytes} and ${declared.files} >= ${files}`)
    .orderBy(declared.insertedAt)
    .limit(1)
  return rows[0]?.insertedAt
}

const columns = {
  id: attachments.id,
  uploaderId: attachments.uploaderId,
  size: attachments.size,
  received: attachments.received,
  messageId: attachments.messageId,
  writer: attachments.writer,
  writerUntil: attachments.writerUntil,
}

const TAKE = `
update attachments set writer = $4::text, writer_until = $5::timestamptz
where id = $1::uuid and received = $2::bigint and writer is not distinct from $3::text
  and message_id is null and released_at is null
returning id`

const RECORD = `
update attachments set received = $3::bigint, writer_until = $4::timestamptz,
  writer = case when $4::timestamptz is not null then writer end
where id = $1::uuid and writer = $2::text and released_at is null
returning id`

const RELEASE_UNBOUND = `
update attachments set released_at = $2::timestamptz
where id = $1::uuid and message_id is null and released_at is null
  and (writer is null or writer_until <= $2::timestamptz)
returning id`
