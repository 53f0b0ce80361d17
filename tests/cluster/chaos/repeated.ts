import { setTimeout as sleep } from 'node:timers/promises'
import type { Retry } from './schedule.ts'

/** How long after its answer a late retry comes. */
const LATE_MS = 4_000

/** Sends a message once, twice at the same time, or again when it was answered long ago. */
export async function repeated(
  message: { acked?: unknown },
  retry: Retry,
  once: () => Promise<void>,
): Promise<void> {
  await Promise.all(retry === 'double' ? [once(), once()] : [once()])
  if (retry !== 'late' || !message.acked) return
  await sleep(LATE_MS)
  await once()
}
