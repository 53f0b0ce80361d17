import type { Orm } from '../db/database.ts'
import { countTry, forgetTries } from '../db/queries/code-attempts.ts'
import { countFailure, forgetFailures, type TotpDevice } from '../db/queries/totp.ts'
import { AppError } from '../errors.ts'

/** How long tries for an address are counted together. */
export const TRY_WINDOW_MS = 60_000
const TRIES_PER_WINDOW = 5
const MOST_FAILURES = 100

/** Whether so many wrong codes were given in a row that only a letter to the user's address opens the device again. */
export function isLocked({ failures }: Pick<TotpDevice, 'failures'>): boolean {
  return failures >= MOST_FAILURES
}

/**
 * Counts a try of a code, before it is looked at. Goes by the address as it was given, so that it tells nothing about which
 * accounts exist; tries for one address come one after another, on all nodes.
 * @throws AppError `rate_limited`.
 */
export async function beginTry(tx: Orm, email: string, now: number): Promise<void> {
  const window = { now: new Date(now), since: new Date(now - TRY_WINDOW_MS) }
  const { tries, windowStartedAt } = await countTry(tx, email, window)
  if (tries <= TRIES_PER_WINDOW) return
  throw new AppError('rate_limited', { retryAfterMs: windowStartedAt.getTime() + TRY_WINDOW_MS - now })
}

/** Notes what came of a try; a right code ends every count. */
export async function endTry(
  tx: Orm,
  { email, userId, isRight }: { email: string; userId: string; isRight: boolean },
): Promise<void> {
  if (!isRight) return countFailure(tx, userId)
  await forgetTries(tx, email)
  await forgetFailures(tx, userId)
}
