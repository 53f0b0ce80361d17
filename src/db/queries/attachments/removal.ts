import type { Database } from '../../database.ts'

/** Marks the attachments for deletion that were uploaded before a time and belong to no message. @returns how many. */
export async function releaseAbandoned(
  db: Database,
  { before, now, limit }: { before: Date; now: Date; limit: number },
): Promise<number> {
  return (await db.rows(RELEASE_ABANDONED, [before.toISOString(), now.toISOString(), limit])).length
}

/** The attachments whose files are to be deleted. */
export async function releasedAttachments(db: Database, limit: number): Promise<string[]> {
  const rows = await db.rows<{ id: string }>(RELEASED, [limit])
  return rows.map(({ id }) => id)
}

/** Records that the file of an attachment is deleted. */
export async function recordRemoved(db: Database, id: string, now: Date): Promise<void> {
  await db.rows('update attachments set removed_at = $2::timestamptz where id = $1::uuid', [
    id,
    now.toISOString(),
  ])
}

/** The attachments that were uploaded before a time, and whose files were deleted before another. */
export async function removedAttachments(
  db: Database,
  { before, removedBefore, limit }: { before: Date; removedBefore: Date; limit: number },
): Promise<string[]> {
  const params = [before.toISOString(), removedBefore.toISOString(), limit]
  const rows = await db.rows<{ id: string }>(REMOVED, params)
  return rows.map(({ id }) => id)
}

export async function deleteAttachment(db: Database, id: string): Promise<void> {
  await db.rows('delete from attachments where id = $1::uuid', [id])
}

const RELEASE_ABANDONED = `
update attachments set released_at = $2::timestamptz
where id in (
  select id from attachments
  where inserted_at < $1::timestamptz and message_id is null and released_at is null
    and (writer is null or writer_until <= $2::timestamptz)
  limit $3::int for update skip locked
) and message_id is null
returning id`

const RELEASED = `
select id from attachments where released_at is not null and removed_at is null order by released_at limit $1::int`

const REMOVED = `
select id from attachments where removed_at < $2::timestamptz and inserted_at < $1::timestamptz order by inserted_at limit $3::int`
