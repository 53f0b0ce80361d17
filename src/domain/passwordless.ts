import { nanoid } from 'nanoid'
import { v7 as newId } from 'uuid'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { isUniqueViolation } from '../db/failures.ts'
import { forgetFailures } from '../db/queries/totp.ts'
import {
  type Account,
  findAccount,
  findAccountByEmail,
  insertUser,
  type NewUser,
  updateUser,
} from '../db/queries/users.ts'
import { AppError } from '../errors.ts'
import { emailProblem, readEmail, refuse } from './account-rules.ts'
import { type MailWorker, queueLetter } from './mail.ts'
import type { OneTimeTokens } from './tokens.ts'
import { newUsername, usernameProblem } from './usernames.ts'

export interface PasswordlessOptions {
  db: Database
  clock: Clock
  tokens: OneTimeTokens
  mail: Pick<MailWorker, 'wake'>
}

/** Accounts that need no password: a letter proves the address, and an authenticator app who signs in. */
export class Passwordless {
  readonly #db: Database
  readonly #clock: Clock
  readonly #tokens: OneTimeTokens
  readonly #mail: PasswordlessOptions['mail']

  constructor({ db, clock, tokens, mail }: PasswordlessOptions) {
    this.#db = db
    this.#clock = clock
    this.#tokens = tokens
    this.#mail = mail
  }

  /**
   * Makes an account, and a letter with which its address can be proved.
   * @throws AppError `validation_failed`, also when the address or the username is taken.
   */
  async register(registration: { email: string; username?: string }): Promise<Account> {
    const email = registration.email.trim()
    const username = registration.username?.trim()
    refuse({
      email: emailProblem(email),
      username: username === undefined ? undefined : usernameProblem(username),
    })
    const id = newId()
    const user = {
      id,
      email,
      displayName: email,
      shortId: nanoid(),
      username: username ?? newUsername(),
      isUsernameSet: username !== undefined,
      passwordHash: null,
    }
    await this.#insert(user)
    this.#mail.wake()
    return (await findAccount(this.#db.orm, id))!
  }

  /** Sends a letter with which the address can be proved, if there is an account that needs it: the sender finds out, later. */
  async requestProof(email: string): Promise<void> {
    const recipient = readEmail(email)
    await queueLetter(
      this.#db.orm,
      { kind: 'email_verification', userId: null, recipient },
      new Date(this.#clock.now()),
    )
    this.#mail.wake()
  }

  /**
   * Takes the token of a letter: the address is its user's, and wrong codes of before are forgiven.
   * @throws AppError `invalid_token`.
   */
  async prove(token: string): Promise<Account> {
    return this.#db.transaction(async (tx) => {
      const { id } = await this.#tokens.use(tx, 'email_verification', token)
      const now = new Date(this.#clock.now())
      const account = (await findAccount(tx, id))!
      const confirmedAt = account.confirmedAt ?? now
      await updateUser(tx, id, { emailConfirmedAt: confirmedAt }, now)
      await forgetFailures(tx, id)
      return { ...account, confirmedAt }
    })
  }

  /** The account of a proved address, if it still has one. */
  find(email: string): Promise<Account | undefined> {
    return findAccountByEmail(this.#db.orm, email)
  }

  async #insert(user: NewUser): Promise<void> {
    const now = new Date(this.#clock.now())
    try {
      await this.#db.transaction(async (tx) => {
        await insertUser(tx, user, now)
        await queueLetter(tx, { kind: 'email_verification', userId: user.id, recipient: user.email }, now)
      })
    } catch (cause) {
      const field = TAKEN.find(([index]) => isUniqueViolation(cause, index))?.[1]
      if (!field) throw cause
      throw new AppError('validation_failed', { fields: { [field]: ['has already been taken'] }, cause })
    }
  }
}

const TAKEN = [
  ['users_email_unique', 'email'],
  ['users_username_unique', 'username'],
] as const
