import { ConnectionError, ParleyError, RejectedError } from './errors.ts'

const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 10_000

/** Resolves after some time, or when the signal is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end)
  })
}

/** Whether the same attempt may succeed later: the server cannot be reached, is busy, or has failed. */
export function isTemporary(error: unknown): boolean {
  if (error instanceof RejectedError) return error.retryAfterMs !== undefined || (error.status ?? 0) >= 500
  return error instanceof ConnectionError
}

/** How long to wait before the next attempt: what the server asks for, or twice as long after every failure. */
export function retryDelay(error: unknown, failures: number): number {
  const asked = error instanceof ParleyError ? error.retryAfterMs : undefined
  const delay = asked ?? Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS)
  // Clients that failed at the same moment must not all come back at the same moment.
  return delay * (1 + Math.random() / 4)
}
