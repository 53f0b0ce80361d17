import { canonicalEmail } from '../../canonical-email.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { deleteTokensOf } from '../../db/queries/accounts/one-time-tokens.ts'
import { findAccount, updateUser } from '../../db/queries/accounts/users.ts'
import { findLatestAuditEvent } from '../../db/queries/security/audit-events.ts'
import { AppError } from '../../errors.ts'
import { emailDetails } from '../mail/email-templates.ts'
import { queueEmail, queueNotice } from '../mail/outbox.ts'
import type { ClientDevice } from '../sessions/client-device.ts'
import { type AccountPasswords, wrongPassword } from './account-passwords.ts'
import { emailProblem, rejectFields } from './account-rules.ts'
import type { AccountServiceOptions } from './account-service-options.ts'
import { removeUnverified } from './first-verification.ts'
import type { OneTimeTokens } from './one-time-tokens.ts'
import { storeUniqueFields } from './unique-fields.ts'

export interface AccountEmailsOptions extends AccountServiceOptions {
  passwords: Pick<AccountPasswords, 'verifyCurrent'>
}

/** Confirms and changes the email addresses of accounts. */
export class AccountEmails {
  readonly #db: Database
  readonly #clock: Clock
  readonly #passwords: AccountEmailsOptions['passwords']
  readonly #sessions: AccountEmailsOptions['sessions']
  readonly #tokens: OneTimeTokens
  readonly #mail: AccountEmailsOptions['mail']

  constructor({ db, clock, passwords, sessions, tokens, mail }: AccountEmailsOptions) {
    this.#db = db
    this.#clock = clock
    this.#passwords = passwords
    this.#sessions = sessions
    this.#tokens = tokens
    this.#mail = mail
  }

  /** Queues a confirmation email, unless the address is confirmed. @throws AppError `not_found`. */
  async requestConfirmation(userId: string): Promise<void> {
    const { email: recipient, confirmedAt } = await this.#find(userId)
    if (confirmedAt) return
    const cause = await findLatestAuditEvent(this.#db.orm, userId, ['registered', 'email_changed'])
    const details = cause && { details: emailDetails(cause, cause.insertedAt) }
    await queueEmail(this.#db.orm, { kind: 'email_confirmation', userId, recipient, ...details }, this.#now())
    this.#mail.wake()
  }

  /**
   * Confirms the address of a registration. The password stays.
   * @returns the id of the user.
   * @throws AppError `invalid_token`.
   */
  async confirm(token: string): Promise<string> {
    return this.#db.transaction(async (tx) => {
      const { id } = await this.#tokens.use(tx, 'email_confirmation', token)
      await updateUser(tx, id, { emailConfirmedAt: this.#now() }, this.#now())
      await deleteTokensOf(tx, id, 'registration_denial')
      return id
    })
  }

  /**
   * Removes every credential of an account that somebody else registered with the address. The account stays, unconfirmed.
   * @returns the id of the user.
   * @throws AppError `invalid_token`, also once the address is confirmed.
   */
  async denyRegistration(token: string): Promise<string> {
    const { userId, ended } = await this.#db.transaction(async (tx) => {
      const user = await this.#tokens.use(tx, 'registration_denial', token)
      if (user.confirmedAt) throw new AppError('invalid_token')
      const ended = await removeUnverified(tx, user, { sessions: this.#sessions, now: this.#now() })
      return { userId: user.id, ended }
    })
    this.#sessions.announce(ended)
    return userId
  }

  /** Queues an email to the current address, with a link that changes it. @throws AppError `not_found`. */
  async requestChange(userId: string): Promise<void> {
    const { email: recipient } = await this.#find(userId)
    await queueEmail(this.#db.orm, { kind: 'email_change', userId, recipient }, this.#now())
    this.#mail.wake()
  }

  /**
   * Changes the address and ends every session. The new address is unconfirmed, and an email goes to both addresses.
   * @throws AppError `invalid_token`, or `validation_failed`, also when the password is wrong.
   */
  async change(
    userId: string,
    change: { token: string; email: string; password: string },
    device: ClientDevice = {},
  ): Promise<void> {
    const email = change.email.trim()
    const owner = await this.#tokens.owner(this.#db.orm, 'email_change', change.token)
    if (owner.id !== userId) throw new AppError('invalid_token')
    const isSame = canonicalEmail(email) === canonicalEmail(owner.email)
    rejectFields({ email: isSame ? 'is already the address of this account' : emailProblem(email) })
    const checked = await this.#passwords.verifyCurrent(userId, change.password)
    const ended = await storeUniqueFields(this.#db, async (tx) => {
      const { email: oldEmail, passwordHash } = await this.#tokens.use(tx, 'email_change', change.token)
      if (passwordHash !== checked.passwordHash) throw wrongPassword()
      const now = this.#now()
      await updateUser(tx, userId, { email, emailConfirmedAt: null }, now)
      await deleteTokensOf(tx, userId)
      const details = emailDetails(device, now)
      await queueEmail(tx, { kind: 'email_confirmation', userId, recipient: email, details }, now)
      await queueNotice(tx, 'email_changed', { id: userId, email: oldEmail }, device, now)
      return this.#sessions.revokeAllIn(tx, userId)
    })
    this.#sessions.announce(ended)
    this.#mail.wake()
  }

  async #find(userId: string) {
    const account = await findAccount(this.#db.orm, userId)
    if (!account) throw new AppError('not_found')
    return account
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}
