import type { Orm } from '../../db/database.ts'
import { attachmentUse, timeOfOldestAttachment } from '../../db/queries/attachments/attachments.ts'
import { lockMediaOwner } from '../../db/queries/media/media.ts'
import { AppError } from '../../errors.ts'

/** For how long an attachment counts towards the quota of its uploader, and how long it may wait for its message. */
export const DAY_MS = 24 * 60 * 60 * 1000

/** Attachments that a user may begin within 24 hours. Small ones cost more than their size. */
const MAX_FILES_PER_DAY = 1_000

/**
 * Checks that an attachment fits the quota of its uploader for 24 hours, and locks the uploader until the transaction ends, so that
 * concurrent requests cannot exceed it. Declared sizes count, also of what was deleted since.
 * @throws AppError `attachment_quota_used`, with the time until it fits; `attachment_too_large` if it never does.
 */
export async function takeAttachmentQuota(
  tx: Orm,
  {
    uploaderId,
    size,
    bytesPerDay,
    now,
  }: { uploaderId: string; size: number; bytesPerDay: number; now: number },
): Promise<void> {
  if (size > bytesPerDay) throw new AppError('attachment_too_large')
  await lockMediaOwner(tx, uploaderId)
  const since = new Date(now - DAY_MS)
  const used = await attachmentUse(tx, uploaderId, since)
  const excess = { bytes: used.bytes + size - bytesPerDay, files: used.files + 1 - MAX_FILES_PER_DAY }
  if (excess.bytes <= 0 && excess.files <= 0) return
  const oldest = await timeOfOldestAttachment(tx, uploaderId, { since, ...excess })
  const retryAfterMs = (oldest?.getTime() ?? now) + DAY_MS - now
  throw new AppError('attachment_quota_used', { retryAfterMs })
}
