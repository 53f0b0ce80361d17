import { canonicalEmail } from '../../canonical-email.ts'
import type { Orm } from '../../db/database.ts'
import type { UserSummary } from '../../db/queries/accounts/users.ts'
import { countAttempt, deleteAttempts } from '../../db/queries/two-factor/code-attempts.ts'
import { countFailure, endFailures, type TotpDevice } from '../../db/queries/two-factor/totp.ts'
import { AppError } from '../../errors.ts'
import type { ClientDevice } from '../sessions/client-device.ts'

/** The window in which attempts of unknown clients are counted. */
export const ATTEMPT_WINDOW_MS = 60_000
const DAY_MS = 24 * 60 * 60 * 1000

const MAX_ATTEMPTS = 5
/** For one account from all networks, after the right password. */
const MAX_ATTEMPTS_AFTER_PASSWORD = 100
const MAX_ATTEMPTS_PER_DAY = 100

/** Wrong codes in a row from unknown clients, after which their codes are refused until an email verifies the address. */
const MAX_FAILURES = 100
/** The limit after the right password. Clients without the password cannot use up the failures beyond `MAX_FAILURES`. */
const MAX_FAILURES_AFTER_PASSWORD = 200

/** The client that sends a code. */
export interface CodeOrigin extends ClientDevice {
  /** The network by which attempts of unknown clients are counted. */
  network: string
  /** Identifies a trusted client, which has limits of its own: a device that signed in before, a session, a verified email. */
  trustedClient?: string | undefined
}

/** One attempt to use a code. */
export interface CodeAttempt {
  user: Pick<UserSummary, 'id' | 'email'>
  /** The address as entered: counters must not reveal which accounts exist. */
  email: string
  code: string
  origin: CodeOrigin
  isRecoveryCode: boolean
  /** Whether the right password was sent before the code. */
  isAfterPassword: boolean
}

interface Counter {
  key: string
  max: number
  windowMs: number
}

/** Whether wrong codes of others may be locking the owner out. */
export function isUnderAttack({ failures }: Pick<TotpDevice, 'failures'>): boolean {
  return failures >= MAX_ATTEMPTS
}

/** Whether the device is locked for this attempt. Trusted clients and recovery codes are never locked out. */
export function isLocked({ failures }: Pick<TotpDevice, 'failures'>, attempt: CodeAttempt): boolean {
  return countsAsFailure(attempt) && failures >= maxFailures(attempt)
}

/**
 * Counts an attempt, before its code is checked. The counter row stays locked until the transaction ends, so that attempts on one
 * account run one after another on all nodes.
 * @throws AppError `rate_limited`.
 */
export async function beginAttempt(tx: Orm, attempt: CodeAttempt, now: number): Promise<void> {
  for (const { key, max, windowMs } of countersOf(attempt)) {
    const window = {
      now: new Date(now),
      since: new Date(now - windowMs),
      expiresAt: new Date(now + windowMs),
    }
    const { tries, windowStartedAt } = await countAttempt(tx, key, window)
    if (tries <= max) continue
    throw new AppError('rate_limited', { retryAfterMs: windowStartedAt.getTime() + windowMs - now })
  }
}

/** Records the result of an attempt. A right code resets the counters and the failures, but does not unlock. */
export async function endAttempt(tx: Orm, attempt: CodeAttempt, isRight: boolean): Promise<void> {
  if (isRight) {
    for (const { key } of countersOf(attempt)) await deleteAttempts(tx, key)
    await endFailures(tx, attempt.user.id, MAX_FAILURES)
  } else if (countsAsFailure(attempt)) await countFailure(tx, attempt.user.id, maxFailures(attempt))
}

function countersOf({ email: entered, origin, isRecoveryCode, isAfterPassword }: CodeAttempt): Counter[] {
  const email = canonicalEmail(entered.trim())
  const { network, trustedClient } = origin
  const perMinute = { max: MAX_ATTEMPTS, windowMs: ATTEMPT_WINDOW_MS }
  if (isRecoveryCode) return [{ key: `recovery codes ${email} ${network}`, ...perMinute }]
  if (trustedClient !== undefined) {
    return [
      { key: `${trustedClient} minute`, ...perMinute },
      { key: `${trustedClient} day`, max: MAX_ATTEMPTS_PER_DAY, windowMs: DAY_MS },
    ]
  }
  return [
    { key: `${email} ${network}`, ...perMinute },
    { key: email, ...perMinute, ...(isAfterPassword && { max: MAX_ATTEMPTS_AFTER_PASSWORD }) },
  ]
}

function countsAsFailure({ origin, isRecoveryCode }: CodeAttempt): boolean {
  return !isRecoveryCode && origin.trustedClient === undefined
}

function maxFailures({ isAfterPassword }: CodeAttempt): number {
  return isAfterPassword ? MAX_FAILURES_AFTER_PASSWORD : MAX_FAILURES
}
