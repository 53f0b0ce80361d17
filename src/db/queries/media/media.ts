import { and, asc, eq, gt, inArray, sql } from 'drizzle-orm'
import type { MediaFormat } from '../../../media-formats.ts'
import type { Orm } from '../../database.ts'
import { media, users } from '../../schema.ts'

/** A stored image, audio or video file. */
export interface MediaRow {
  id: string
  roomId: string
  ownerId: string
  format: MediaFormat
  contentType: string
  /** Bytes. */
  size: number
}

/** The number and size of the files that a user has sent in a period. */
export interface MediaUse {
  files: number
  bytes: number
}

/**
 * Serializes the uploads of a user until the transaction ends. Take this lock before the room's. Foreign keys to the user do not
 * wait for it.
 */
export async function lockMediaOwner(tx: Orm, ownerId: string): Promise<void> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, ownerId)).for('no key update')
}

export async function insertMedia(tx: Orm, row: MediaRow, now: Date): Promise<void> {
  await tx.insert(media).values({ ...row, insertedAt: now })
}

export async function findMedia(orm: Orm, id: string): Promise<MediaRow | undefined> {
  const rows = await orm.select(columns).from(media).where(eq(media.id, id))
  return rows[0]
}

/** Returns those of the ids that are stored media. */
export async function findKnownMedia(orm: Orm, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await orm.select({ id: media.id }).from(media).where(inArray(media.id, ids))
  return rows.map(({ id }) => id)
}

/** What the user has sent after `since`. */
export async function mediaUse(orm: Orm, ownerId: string, since: Date): Promise<MediaUse> {
  const rows = await orm
    .select({
      files: sql<number>`count(*)`.mapWith(Number),
      bytes: sql<number>`coalesce(sum(${media.size}), 0)`.mapWith(Number),
    })
    .from(media)
    .where(and(eq(media.ownerId, ownerId), gt(media.insertedAt, since)))
  return rows[0]!
}

/**
 * The time of the file up to which the oldest files that the user has sent after `since` add up to `bytes` and `files`: that much
 * quota is free when this file expires. Undefined when all files together are fewer.
 */
export async function timeOfOldestMedia(
  orm: Orm,
  ownerId: string,
  { since, bytes, files }: { since: Date; bytes: number; files: number },
): Promise<Date | undefined> {
  const order = sql`over (order by ${media.insertedAt}, ${media.id})`
  const sent = orm
    .select({
      insertedAt: media.insertedAt,
      bytes: sql<number>`sum(${media.size}) ${order}`.as('bytes'),
      files: sql<number>`row_number() ${order}`.as('files'),
    })
    .from(media)
    .where(and(eq(media.ownerId, ownerId), gt(media.insertedAt, since)))
    .as('sent')
  const rows = await orm
    .select({ insertedAt: sent.insertedAt })
    .from(sent)
    .where(sql`${sent.bytes} >= ${bytes} and ${sent.files} >= ${files}`)
    .orderBy(asc(sent.insertedAt))
    .limit(1)
  return rows[0]?.insertedAt
}

const columns = {
  id: media.id,
  roomId: media.roomId,
  ownerId: media.ownerId,
  format: media.format,
  contentType: media.contentType,
  size: media.size,
}
