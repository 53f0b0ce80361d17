import type { Orm } from '../db/database.ts'
import { lockMediaOwner, mediaUse, timeOfOldestMedia } from '../db/queries/media.ts'
import { AppError } from '../errors.ts'

/** What a user may send within 24 hours. */
export interface MediaQuota {
  bytes: number
  files: number
}

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * Lets a file through while it fits in what its owner may send in a day.
 * @param size bytes of the file; 0 asks whether there is room for any.
 * @throws AppError `media_quota_used`, which says when there will be room for it.
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

/** The same, and holds the owner's other uploads back until the transaction is over: together they cannot exceed it either. */
export async function takeQuota(tx: Orm, request: Parameters<typeof requireQuota>[1]): Promise<void> {
  await lockMediaOwner(tx, request.ownerId)
  await requireQuota(tx, request)
}
