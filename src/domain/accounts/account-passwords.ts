import type { Clock } from '../../clock.ts'
import type { Database, Orm } from '../../db/database.ts'
import { deleteTokensOf } from '../../db/queries/accounts/one-time-tokens.ts'
import {
  type Credentials,
  findCredentials,
  findForSignIn,
  lockCredentials,
  type SignInAccount,
  type UserSummary,
  updateUser,
} from '../../db/queries/accounts/users.ts'
import type { Revocation } from '../../db/queries/sessions/sessions.ts'
import { AppError, invalidField } from '../../errors.ts'
import { queueEmail, queueNotice } from '../mail/outbox.ts'
import { passwordProblem } from '../passwords/password-rules.ts'
import type { PasswordResult, Passwords } from '../passwords/passwords.ts'
import type { ClientDevice } from '../sessions/client-device.ts'
import type { SessionRequirements } from '../sessions/sessions.ts'
import { isStorable } from '../shared/text.ts'
import { emailProblem, rejectFields } from './account-rules.ts'
import type { AccountServiceOptions } from './account-service-options.ts'
import { verifyFirst } from './first-verification.ts'
import type { LockedUser, OneTimeTokens } from './one-time-tokens.ts'

export interface AccountPasswordsOptions extends AccountServiceOptions {
  passwords: Passwords
}

/** A new password, entered twice. */
export interface NewPassword {
  newPassword: string
  newPasswordConfirmation: string
}

/** Checks, changes and resets the passwords of accounts. */
export class AccountPasswords {
  readonly #db: Database
  readonly #clock: Clock
  readonly #passwords: Passwords
  readonly #sessions: AccountPasswordsOptions['sessions']
  readonly #tokens: OneTimeTokens
  readonly #mail: AccountPasswordsOptions['mail']

  constructor({ db, clock, passwords, sessions, tokens, mail }: AccountPasswordsOptions) {
    this.#db = db
    this.#clock = clock
    this.#passwords = passwords
    this.#sessions = sessions
    this.#tokens = tokens
    this.#mail = mail
  }

  /**
   * Checks the password of a sign-in, in the same time whether or not the account exists. The result is `unneeded` for an
   * account without a password, and for no account.
   * @returns also what must hold when the session opens: the password may change in between.
   */
  async check(
    email: string,
    password: string | undefined,
  ): Promise<{ account: SignInAccount | undefined; result: PasswordResult; check: SessionRequirements }> {
    const found = isStorable(email) ? await findForSignIn(this.#db.orm, email.trim()) : undefined
    const isRight = password !== undefined && (await this.#passwords.verify(found?.passwordHash, password))
    const given = password === undefined ? 'missing' : isRight ? 'right' : 'wrong'
    const result = found?.passwordHash ? given : 'unneeded'
    if (!found) return { account: undefined, result, check: {} }
    const { passwordHash, ...account } = found
    return { account, result, check: { passwordHash } }
  }

  /**
   * Checks the current password of a signed-in user.
   * @returns the credentials that were checked; compare the password hash again once the user is locked.
   * @throws AppError `validation_failed`.
   */
  async verifyCurrent(userId: string, password: string): Promise<Credentials> {
    const credentials = await findCredentials(this.#db.orm, userId)
    const isRight = await this.#passwords.verify(credentials?.passwordHash, password)
    if (!credentials || !isRight) throw wrongPassword()
    return credentials
  }

  /**
   * Changes the password and ends every session of the user.
   * @throws AppError `validation_failed`, also when the current password is wrong.
   */
  async change(
    userId: string,
    change: NewPassword & { password: string },
    device: ClientDevice = {},
  ): Promise<void> {
    const user = await findCredentials(this.#db.orm, userId)
    if (!user) throw new AppError('not_found')
    rejectFields(newPasswordProblems(change, user.email))
    const checked = await this.verifyCurrent(userId, change.password)
    await this.#replace(change.newPassword, device, async (tx) => {
      const current = await lockCredentials(tx, userId)
      if (current?.passwordHash !== checked.passwordHash) throw wrongPassword()
      return { ...current, id: userId, ended: [] }
    })
  }

  /** Queues an email that resets the password. The mail worker looks the account up, so that the caller takes the same time for any address. */
  async requestReset(email: string): Promise<void> {
    const recipient = email.trim()
    if (!isStorable(recipient)) throw invalidField('email', 'must be an email address')
    // No account can have this address.
    if (emailProblem(recipient)) return
    await queueEmail(this.#db.orm, { kind: 'password_reset', userId: null, recipient }, this.#now())
    this.#mail.wake()
  }

  /**
   * Finds the user of a password reset token, without using the token.
   * @throws AppError `invalid_token`.
   */
  userOfReset(token: string): Promise<UserSummary> {
    return this.#tokens.owner(this.#db.orm, 'password_reset', token)
  }

  /**
   * Sets a new password with a token from an email, ends every session and voids device cookies. If this is the first
   * verification of the address, an authenticator app set up before is removed. A current password, if sent, must be right.
   * @returns the id of the user, and whether this verified the address for the first time.
   * @throws AppError `invalid_token`, or `validation_failed`.
   */
  async reset(
    change: NewPassword & { token: string; password?: string },
    device: ClientDevice = {},
  ): Promise<{ userId: string; isFirst: boolean }> {
    const { id, email } = await this.userOfReset(change.token)
    rejectFields(newPasswordProblems(change, email))
    if (change.password !== undefined) await this.verifyCurrent(id, change.password)
    let isFirst = false
    await this.#replace(change.newPassword, device, async (tx) => {
      const user = await this.#tokens.use(tx, 'password_reset', change.token)
      const now = this.#now()
      isFirst = !user.confirmedAt
      if (!isFirst) await updateUser(tx, user.id, { devicesValidFrom: now }, now)
      const ended = isFirst ? await verifyFirst(tx, user, { sessions: this.#sessions, now }) : []
      return { ...user, ended }
    })
    return { userId: id, isFirst }
  }

  /** @param authorize locks the user for the transaction, and throws if the change is no longer allowed. */
  async #replace(
    password: string,
    device: ClientDevice,
    authorize: (tx: Orm) => Promise<LockedUser & { ended: Revocation[] }>,
  ): Promise<void> {
    // Hashed outside the transaction, which must not wait in the hashing queue.
    const passwordHash = await this.#passwords.hash(password)
    const ended = await this.#db.transaction(async (tx): Promise<Revocation[]> => {
      const { ended, ...user } = await authorize(tx)
      const now = this.#now()
      await updateUser(tx, user.id, { passwordHash }, now)
      await deleteTokensOf(tx, user.id)
      await queueNotice(tx, 'password_changed', user, device, now)
      return [...ended, ...(await this.#sessions.revokeAllIn(tx, user.id))]
    })
    this.#sessions.announce(ended)
    this.#mail.wake()
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}

/** The current password is wrong. */
export function wrongPassword(): AppError {
  return invalidField('currentPassword', 'is not valid')
}

function newPasswordProblems({ newPassword, newPasswordConfirmation }: NewPassword, email: string) {
  return {
    newPassword: passwordProblem(newPassword, email),
    newPasswordConfirmation: newPassword === newPasswordConfirmation ? undefined : 'does not match',
  }
}
