import type { Clock } from '../../clock.ts'
import type { Database, Orm } from '../../db/database.ts'
import { lockCredentials, type UserSummary } from '../../db/queries/accounts/users.ts'
import {
  deleteRecoveryCodes,
  insertRecoveryCodes,
  useRecoveryCode,
} from '../../db/queries/two-factor/recovery-codes.ts'
import { deleteDevice, hasConfirmedDevice, lockDevice, useStep } from '../../db/queries/two-factor/totp.ts'
import { AppError } from '../../errors.ts'
import { queueNotice } from '../mail/outbox.ts'
import type { PasswordResult } from '../passwords/passwords.ts'
import type { SessionRequirements } from '../sessions/sessions.ts'
import type { CodeAttempts, GivenCode } from './code-attempts.ts'
import { type CodeAttempt, isLocked } from './code-limits.ts'
import { newRecoveryCodes, recoveryCodeHash, recoveryCodeHashes } from './recovery-codes.ts'
import { matchingStep } from './totp-codes.ts'
import { DECOY_USER, type TotpSecrets } from './totp-secrets.ts'

export interface TotpOptions {
  db: Database
  clock: Clock
  attempts: CodeAttempts
  secrets: TotpSecrets
}

type Owner = Pick<UserSummary, 'id' | 'email'>

/** The factor by which an attempt was accepted. */
type Factor = 'code' | 'recovery_code' | 'password'

/** Verifies the codes of authenticator apps (RFC 6238) and recovery codes. */
export class Totp {
  readonly #db: Database
  readonly #clock: Clock
  readonly #attempts: CodeAttempts
  readonly #secrets: TotpSecrets

  constructor({ db, clock, attempts, secrets }: TotpOptions) {
    this.#db = db
    this.#clock = clock
    this.#attempts = attempts
    this.#secrets = secrets
  }

  /**
   * Uses a code, unless the password that goes with it is wrong. An account without a device needs its password alone. The answer
   * and its time do not reveal whether the account exists, what it needs, or which of the two is wrong.
   * @param email as entered.
   * @param user undefined when no account has the email.
   * @returns what must hold when the session opens.
   * @throws AppError `otp_invalid`, `rate_limited`, or `password_required` when the code is right and the password is missing; the
   * code stays unused then.
   */
  async verify(
    { email, user = { id: DECOY_USER, email } }: { email: string; user: Owner | undefined },
    { code, origin }: GivenCode,
    password: PasswordResult,
    isAfterPassword = false,
  ): Promise<SessionRequirements> {
    const isRecoveryCode = recoveryCodeHash(user.id, code) !== undefined
    const attempt = { user, email, code, origin, isRecoveryCode, isAfterPassword }
    const factor = await this.#attempts.run(attempt, (tx) => this.#useCode(tx, attempt, password))
    if (factor === 'password') return { withoutDevice: true }
    this.#recordUse(factor, attempt)
    return {}
  }

  /**
   * Verifies the code of a user who has sent the right password, if they have a device.
   * @returns what must hold when the session opens.
   * @throws AppError `totp_required`, `otp_invalid` or `rate_limited`.
   */
  async challenge(
    { hasDevice, ...user }: Owner & { hasDevice: boolean },
    { code, origin }: Partial<GivenCode> & Pick<GivenCode, 'origin'>,
  ): Promise<SessionRequirements> {
    if (!hasDevice) return { withoutDevice: true }
    if (!code) throw new AppError('totp_required')
    return this.verify({ email: user.email, user }, { code, origin }, 'unneeded', true)
  }

  /**
   * Removes the confirmed device and its recovery codes.
   * @throws AppError `otp_invalid`, `rate_limited` or `totp_missing`.
   */
  async remove(user: Owner, given: GivenCode): Promise<void> {
    await this.#withCode(user, given, async (tx) => {
      await deleteDevice(tx, user.id)
      await deleteRecoveryCodes(tx, user.id)
      await queueNotice(tx, 'totp_removed', user, given.origin, this.#now())
    })
    this.#attempts.record('totp_removed', { user, origin: given.origin })
  }

  /**
   * Replaces the recovery codes.
   * @returns the new ones, which cannot be shown again.
   * @throws AppError `otp_invalid`, `rate_limited` or `totp_missing`.
   */
  async replaceRecoveryCodes(user: Owner, given: GivenCode): Promise<string[]> {
    const recoveryCodes = newRecoveryCodes()
    await this.#withCode(user, given, async (tx) => {
      await deleteRecoveryCodes(tx, user.id)
      await insertRecoveryCodes(tx, user.id, recoveryCodeHashes(user.id, recoveryCodes))
      await queueNotice(tx, 'recovery_codes_replaced', user, given.origin, this.#now())
    })
    this.#attempts.record('recovery_codes_replaced', { user, origin: given.origin })
    return recoveryCodes
  }

  /** Runs `work` in the transaction that uses the code. */
  async #withCode(user: Owner, { code, origin }: GivenCode, work: (tx: Orm) => Promise<void>): Promise<void> {
    if (!(await hasConfirmedDevice(this.#db.orm, user.id))) throw new AppError('totp_missing')
    const isRecoveryCode = recoveryCodeHash(user.id, code) !== undefined
    const attempt = { user, email: user.email, code, origin, isRecoveryCode, isAfterPassword: true }
    const factor = await this.#attempts.run(attempt, async (tx) => {
      await lockCredentials(tx, user.id)
      const used = await this.#useCode(tx, attempt, 'unneeded')
      if (used) await work(tx)
      return used
    })
    this.#recordUse(factor, attempt)
  }

  /** Uses the code; undefined when it is wrong. Runs the same statements whatever is wrong. */
  async #useCode(tx: Orm, attempt: CodeAttempt, password: PasswordResult): Promise<Factor | undefined> {
    const { code } = attempt
    const userId = attempt.user.id
    const device = await lockDevice(tx, userId)
    const isUsable = device?.confirmedAt != null && password !== 'wrong' && !isLocked(device, attempt)
    const now = this.#clock.now()
    const step = matchingStep(this.#secrets.open(device), code, { now, lastStep: device?.lastStep ?? 0 })
    if (isUsable && step !== undefined) {
      if (password === 'missing') throw new AppError('password_required')
      return (await useStep(tx, userId, step)) ? 'code' : undefined
    }
    const hash = recoveryCodeHash(userId, code)
    const isUsed =
      hash !== undefined && (await useRecoveryCode(tx, isUsable ? userId : DECOY_USER, hash, new Date(now)))
    // Rolls the transaction back, so the recovery code stays unused.
    if (isUsed && password === 'missing') throw new AppError('password_required')
    if (isUsed) {
      await queueNotice(tx, 'recovery_code_used', attempt.user, attempt.origin, new Date(now))
      return 'recovery_code'
    }
    return password === 'right' && !device?.confirmedAt ? 'password' : undefined
  }

  #recordUse(factor: Factor, attempt: CodeAttempt): void {
    this.#attempts.record(factor === 'recovery_code' ? 'recovery_code_used' : 'totp_used', attempt)
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}
