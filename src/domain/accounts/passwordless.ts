import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { type Account, findAccount, findForSignIn } from '../../db/queries/accounts/users.ts'
import { resetFailures } from '../../db/queries/two-factor/totp.ts'
import { queueEmail } from '../mail/outbox.ts'
import { emailProblem, readEmail, rejectFields } from './account-rules.ts'
import type { AccountServiceOptions } from './account-service-options.ts'
import { verifyFirst } from './first-verification.ts'
import type { NewUsers } from './new-users.ts'
import type { OneTimeTokens } from './one-time-tokens.ts'
import { storeUniqueFields } from './unique-fields.ts'
import { usernameProblem } from './usernames.ts'

export interface PasswordlessOptions extends AccountServiceOptions {
  newUsers: NewUsers
}

/** Accounts without a password: an email verifies the address, and an authenticator app signs in. */
export class Passwordless {
  readonly #db: Database
  readonly #clock: Clock
  readonly #newUsers: NewUsers
  readonly #tokens: OneTimeTokens
  readonly #mail: PasswordlessOptions['mail']
  readonly #sessions: PasswordlessOptions['sessions']

  constructor({ db, clock, newUsers, tokens, mail, sessions }: PasswordlessOptions) {
    this.#db = db
    this.#clock = clock
    this.#newUsers = newUsers
    this.#tokens = tokens
    this.#mail = mail
    this.#sessions = sessions
  }

  /**
   * Creates an account and queues the email that verifies its address, unless `sendsEmail` is false.
   * @throws AppError `validation_failed`, also when the address or the username is taken.
   */
  async register(registration: { email: string; username?: string; sendsEmail?: boolean }): Promise<Account> {
    const email = registration.email.trim()
    const username = registration.username?.trim()
    rejectFields({
      email: emailProblem(email),
      username: username === undefined ? undefined : usernameProblem(username),
    })
    const account = await storeUniqueFields(this.#db, async (tx) => {
      const now = new Date(this.#clock.now())
      const userId = await this.#newUsers.insert(tx, { email, username }, now)
      if (registration.sendsEmail !== false) {
        await queueEmail(tx, { kind: 'email_verification', userId, recipient: email }, now)
      }
      return (await findAccount(tx, userId))!
    })
    this.#mail.wake()
    return account
  }

  /** Queues an email that verifies the address. The mail worker looks up whether an account needs it, so that the caller takes the same time for any address. */
  async requestVerification(email: string): Promise<void> {
    const recipient = readEmail(email)
    await queueEmail(
      this.#db.orm,
      { kind: 'email_verification', userId: null, recipient },
      new Date(this.#clock.now()),
    )
    this.#mail.wake()
  }

  /**
   * Verifies an address with a token from an email, and resets the count of wrong codes. The first verification removes every
   * credential that was set before.
   * @throws AppError `invalid_token`.
   */
  async verify(token: string): Promise<{ account: Account; isFirst: boolean }> {
    const { ended, ...verification } = await this.#db.transaction(async (tx) => {
      const user = await this.#tokens.use(tx, 'email_verification', token)
      const now = new Date(this.#clock.now())
      const isFirst = !user.confirmedAt
      const ended = isFirst ? await verifyFirst(tx, user, { sessions: this.#sessions, now }) : []
      await resetFailures(tx, user.id)
      return { account: (await findAccount(tx, user.id))!, isFirst, ended }
    })
    this.#sessions.announce(ended)
    return verification
  }

  /** The account with this address, and whether it has a password. */
  async find(email: string): Promise<(Account & { hasPassword: boolean }) | undefined> {
    const found = await findForSignIn(this.#db.orm, email)
    if (!found) return undefined
    const { passwordHash, hasDevice: _, ...account } = found
    return { ...account, hasPassword: passwordHash !== null }
  }
}
