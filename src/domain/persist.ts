import type { Clock } from '../clock.ts'
import { failureOf } from '../db/failures.ts'
import { AppError } from '../errors.ts'

/** Milliseconds after which a change is not tried again: its sender is told to come back. */
export const PATIENCE_MS = 10_000

const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 1_000

/**
 * Runs a change of the database until it is known to have happened or failed: again at once after a lock conflict, after
 * growing pauses when the connection was lost. It has to be one that can be recognised if it is already there.
 * @param change is told whether an earlier try may have been committed without our hearing of it.
 * @param until the time after which it is not tried again.
 * @throws AppError `busy` when the database stays away; anything else that `change` throws.
 */
export async function persist<T>(
  change: (unsure: boolean) => Promise<T>,
  { clock, until, unsure = false }: { clock: Clock; until: number; unsure?: boolean },
): Promise<T> {
  let lost = unsure
  for (let pauseMs = FIRST_PAUSE_MS; ; ) {
    try {
      return await change(lost)
    } catch (error) {
      const failure = failureOf(error)
      // After a loss a duplicate is our own: what was given up for lost has arrived after all.
      if (failure === 'refused' || (failure === 'duplicate' && !lost)) throw error
      if (failure === 'unavailable' || clock.now() >= until) throw busy(error)
      if (failure === 'conflict') continue
      lost = true
      await pause(clock, pauseMs)
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    }
  }
}

/** Told to a client whose change cannot be taken now. */
export function busy(cause?: unknown): AppError {
  return new AppError('busy', { retryAfterMs: 1_000, cause })
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}
