import type { Orm } from '../../db/database.ts'
import { lockMediaOwner, mediaUse, timeOfOldestMedia } from '../../db/queries/media/media.ts'
import { AppError } from '../../errors.ts'

/** The media quota of a user for 24 hours. */
export interface MediaQuota {
  bytes: number
  files: number
}

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * Checks that a file fits the remaining quota of its owner.
 * @param size bytes of the file; 0 checks that any quota is left.
 * @throws AppError `media_quota_used`, with the time until the file fits.
 */
export async function requireQuota(
  orm: Orm,
  { ownerId, size, quota, now }: { ownerId: string; size: number; quota: MediaQuota; now: number },
): Promise<void> {
  const since = new Date(now - DAY_MS)
  const used = await mediaUse(orm, ownerId, since)
  const excess = { bytes: used.bytes + Math.max(size, 1) - quota.bytes, files: used.files + 1 - quota.files }
  if (excess.bytes <= 0 && excess.files <= 0) return
  const sentAt = await timeOfOldestMedia(orm, ownerId, { since, ...excess })
  throw new AppError('media_quota_used', { retryAfterMs: (sentAt?.getTime() ?? now) + DAY_MS - now })
}

/** Like `requireQuota`, and locks the owner until the transaction ends, so that concurrent uploads cannot exceed the quota. */
export async function takeQuota(tx: Orm, request: Parameters<typeof requireQuota>[1]): Promise<void> {
  await lockMediaOwner(tx, request.ownerId)
  await requireQuota(tx, request)
}
