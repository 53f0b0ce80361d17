import type { Clock } from '../../clock.ts'
import { failureOf } from '../../db/failures.ts'
import { AppError } from '../../errors.ts'

/** A change is not retried after this time. */
export const COMMIT_TIMEOUT_MS = 10_000

const MIN_RETRY_DELAY_MS = 20
const MAX_RETRY_DELAY_MS = 1_000

/**
 * Runs a change of the database until it is known to be committed or to have failed. It retries a lock conflict immediately,
 * and a lost connection with exponential backoff. The change must be idempotent: able to recognise that it was already made.
 * @param change gets whether the commit outcome of an earlier attempt is unknown.
 * @param until the time after which it is not retried.
 * @throws AppError `busy` when the database stays unavailable, with the first lost connection as its cause; whatever else
 * `change` throws.
 */
export async function retryUntilCommitted<T>(
  change: (outcomeUnknown: boolean) => Promise<T>,
  { clock, until, outcomeUnknown = false }: { clock: Clock; until: number; outcomeUnknown?: boolean },
): Promise<T> {
  let isUnknown = outcomeUnknown
  /** The first error that left the outcome unknown. */
  let loss: unknown
  for (let delayMs = MIN_RETRY_DELAY_MS; ; ) {
    try {
      return await change(isUnknown)
    } catch (error) {
      const failure = failureOf(error)
      // With an unknown outcome a duplicate is our own: the earlier attempt was committed after all.
      if (failure === 'refused' || (failure === 'duplicate' && !isUnknown)) throw error
      if (failure === 'lost' || failure === 'unavailable') loss ??= error
      if (failure === 'unavailable' || clock.now() >= until) throw busy(loss ?? error)
      if (failure === 'conflict') continue
      isUnknown = true
      await delay(clock, delayMs)
      delayMs = Math.min(delayMs * 2, MAX_RETRY_DELAY_MS)
    }
  }
}

/** The error for a change that cannot be made now: the client should retry later. */
export function busy(cause?: unknown): AppError {
  return new AppError('busy', { retryAfterMs: 1_000, cause })
}

function delay(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}
