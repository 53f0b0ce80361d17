import type { Clock } from '../../clock.ts'
import type { Database, Orm } from '../../db/database.ts'
import { isStateUsed, markStateUsed } from '../../db/queries/accounts/used-states.ts'
import { lockCredentials, type UserSummary } from '../../db/queries/accounts/users.ts'
import { insertRecoveryCodes } from '../../db/queries/two-factor/recovery-codes.ts'
import {
  confirmDevice,
  findDevice,
  lockDevice,
  type TotpDevice,
  upsertDevice,
} from '../../db/queries/two-factor/totp.ts'
import { AppError } from '../../errors.ts'
import { queueNotice } from '../mail/outbox.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { hashToken } from '../shared/secrets.ts'
import type { CodeAttempts, GivenCode } from './code-attempts.ts'
import { newRecoveryCodes, recoveryCodeHashes } from './recovery-codes.ts'
import { matchingStep, newTotpSecret, totpUri } from './totp-codes.ts'
import type { TotpSecrets } from './totp-secrets.ts'

export interface TotpEnrolmentOptions {
  db: Database
  clock: Clock
  attempts: CodeAttempts
  secrets: TotpSecrets
  sessions: Pick<Sessions, 'revokeAllIn' | 'announce'>
  /** The name of this site in authenticator apps. */
  issuer: string
}

type Owner = Pick<UserSummary, 'id' | 'email'>

/** The session, or the browser with a verified email, that sets up an authenticator app. No other client may see the secret. */
export type Enrolment = { sessionId: string } | { browserSecret: string }

/** How long a browser can use a verified email. */
export const VERIFICATION_LIFETIME_MS = 30 * 60 * 1000

/** Sets up authenticator apps (RFC 6238). */
export class TotpEnrolment {
  readonly #db: Database
  readonly #clock: Clock
  readonly #attempts: CodeAttempts
  readonly #secrets: TotpSecrets
  readonly #sessions: TotpEnrolmentOptions['sessions']
  readonly #issuer: string

  constructor({ db, clock, attempts, secrets, sessions, issuer }: TotpEnrolmentOptions) {
    this.#db = db
    this.#clock = clock
    this.#attempts = attempts
    this.#secrets = secrets
    this.#sessions = sessions
    this.#issuer = issuer
  }

  /**
   * Creates an unconfirmed device, in place of an earlier unconfirmed one.
   * @throws AppError `totp_confirmed`, or `email_not_proved`.
   */
  async create(userId: string, enrolment: Enrolment): Promise<void> {
    await rejectUsedVerification(this.#db.orm, enrolment)
    const secret = newTotpSecret()
    const device = {
      ...this.#secrets.seal(userId, secret),
      enrolmentHash: enrolmentHash(enrolment, secret),
    }
    const isStored = await upsertDevice(this.#db.orm, device, new Date(this.#clock.now()))
    if (!isStored) throw new AppError('totp_confirmed')
  }

  /**
   * The URI of the unconfirmed device, for the client that created it.
   * @throws AppError `totp_missing` or `totp_confirmed`.
   */
  async uri({ id, email }: Owner, enrolment: Enrolment): Promise<string> {
    const secret = this.#enrolledSecret(await findDevice(this.#db.orm, id), enrolment)
    return totpUri(secret, { issuer: this.#issuer, email })
  }

  /**
   * Confirms the device with its first code, and ends the user's sessions except the enrolling one. Uses up the verified email of
   * an enrolling browser.
   * @returns the recovery codes, which cannot be shown again.
   * @throws AppError `otp_invalid`, `rate_limited`, `totp_missing`, `totp_confirmed`, `email_not_proved`, or
   * `reauthentication_required` when the account has a password by now.
   */
  async confirm(user: Owner, { code, origin }: GivenCode, enrolment: Enrolment): Promise<string[]> {
    this.#enrolledSecret(await findDevice(this.#db.orm, user.id), enrolment)
    const recoveryCodes = newRecoveryCodes()
    const attempt = { user, email: user.email, code, origin, isRecoveryCode: false, isAfterPassword: false }
    const ended = await this.#attempts.run(attempt, async (tx) => {
      const credentials = await lockCredentials(tx, user.id)
      const secret = this.#enrolledSecret(await lockDevice(tx, user.id), enrolment)
      const now = this.#clock.now()
      const step = matchingStep(secret, code, { now, lastStep: 0 })
      if (step === undefined) return undefined
      await this.#useVerification(tx, enrolment, Boolean(credentials?.passwordHash))
      await confirmDevice(tx, user.id, { step, now: new Date(now) })
      await insertRecoveryCodes(tx, user.id, recoveryCodeHashes(user.id, recoveryCodes))
      await queueNotice(tx, 'totp_added', user, origin, new Date(now))
      const except = 'sessionId' in enrolment ? enrolment.sessionId : undefined
      return this.#sessions.revokeAllIn(tx, user.id, { except })
    })
    this.#sessions.announce(ended)
    this.#attempts.record('totp_enrolled', { user, origin })
    return recoveryCodes
  }

  /** The secret of an unconfirmed device that this client created. */
  #enrolledSecret(device: TotpDevice | undefined, enrolment: Enrolment): string {
    const { confirmedAt, enrolmentHash: expected } = device ?? {}
    if (confirmedAt) throw new AppError('totp_confirmed')
    const secret = this.#secrets.open(device)
    const isCreator = expected != null && Buffer.compare(expected, enrolmentHash(enrolment, secret)) === 0
    if (!isCreator) throw new AppError('totp_missing')
    return secret
  }

  /** A verified email can be used once, and only for an account without a password. */
  async #useVerification(tx: Orm, enrolment: Enrolment, hasPassword: boolean): Promise<void> {
    if ('sessionId' in enrolment) return
    if (hasPassword) throw new AppError('reauthentication_required')
    const expiresAt = new Date(this.#clock.now() + VERIFICATION_LIFETIME_MS)
    const isFirst = await markStateUsed(tx, hashToken(enrolment.browserSecret), expiresAt)
    if (!isFirst) throw new AppError('email_not_proved')
  }
}

async function rejectUsedVerification(orm: Orm, enrolment: Enrolment): Promise<void> {
  if ('sessionId' in enrolment) return
  if (await isStateUsed(orm, hashToken(enrolment.browserSecret))) throw new AppError('email_not_proved')
}

/** Includes the secret: a node of the previous version may replace the secret and keep the hash. */
function enrolmentHash(enrolment: Enrolment, secret: string): Uint8Array {
  const who =
    'sessionId' in enrolment ? `session ${enrolment.sessionId}` : `browser ${enrolment.browserSecret}`
  return hashToken(`${who} ${secret}`)
}
