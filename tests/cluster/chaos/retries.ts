import { setTimeout as sleep } from 'node:timers/promises'
import type { Retry } from './schedule.ts'

/** The delay of a late retry after the reply. */
const LATE_RETRY_DELAY_MS = 4_000

/** Sends a message once, twice concurrently, or again long after its reply. */
export async function withRetry(
  message: { acked?: unknown },
  retry: Retry,
  send: () => Promise<void>,
): Promise<void> {
  await Promise.all(retry === 'concurrent' ? [send(), send()] : [send()])
  if (retry !== 'late' || !message.acked) return
  await sleep(LATE_RETRY_DELAY_MS)
  await send()
}
