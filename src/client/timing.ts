import { ParleyError } from './errors.ts'

const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 10_000

/** Resolves after some time. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** How long to wait before the next attempt: what the server asks for, or twice as long after every failure. */
export function retryDelay(error: unknown, failures: number): number {
  const asked = error instanceof ParleyError ? error.retryAfterMs : undefined
  const delay = asked ?? Math.min(FIRST_DELAY_MS * 2 ** failures, MAX_DELAY_MS)
  // Clients that failed at the same moment must not all come back at the same moment.
  return delay * (1 + Math.random() / 4)
}
