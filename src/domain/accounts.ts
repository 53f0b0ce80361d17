import { nanoid } from 'nanoid'
import { v7 as newId } from 'uuid'
import type { Clock } from '../clock.ts'
import type { Database, Orm } from '../db/database.ts'
import { isUniqueViolation } from '../db/failures.ts'
import type { Revocation } from '../db/queries/sessions.ts'
import { deleteTokensOf } from '../db/queries/tokens.ts'
import {
  type Account,
  type Credentials,
  findAccount,
  findCredentials,
  findForSignIn,
  insertUser,
  listUsers,
  lockCredentials,
  type Profile,
  type UserSummary,
  updateDisplayName,
  updateProfile,
  updateUser,
} from '../db/queries/users.ts'
import { AppError, invalidField } from '../errors.ts'
import { displayNameProblem, emailProblem, profileProblems, refuse } from './account-rules.ts'
import type { Conversations } from './conversations.ts'
import type { EventBus } from './events.ts'
import type { LetterKind } from './letters.ts'
import { type MailWorker, queueLetter } from './mail.ts'
import type { Page, PageTokens } from './pagination.ts'
import { passwordProblem } from './password-rules.ts'
import type { Passwords } from './passwords.ts'
import type { Sessions } from './sessions.ts'
import { isStorable } from './text.ts'
import type { OneTimeTokens } from './tokens.ts'
import { newUsername } from './usernames.ts'

export type { Account, Profile, Theme, UserSummary } from '../db/queries/users.ts'

export interface AccountsOptions {
  db: Database
  clock: Clock
  events: EventBus
  passwords: Passwords
  sessions: Pick<Sessions, 'revokeAllIn' | 'announce'>
  tokens: OneTimeTokens
  mail: Pick<MailWorker, 'wake'>
  pageTokens: PageTokens
  conversations: Pick<Conversations, 'listOf'>
}

/** What a client shows once its user is signed in. */
export type SignInDetails = { account: Account } & Awaited<ReturnType<Conversations['listOf']>>

/** A new password, and what proves the right to set it. */
export interface PasswordChange {
  newPassword: string
  newPasswordConfirmation: string
}

/** The people of the server: who they are, how they prove it, and what they prefer. */
export class Accounts {
  readonly #db: Database
  readonly #clock: Clock
  readonly #events: EventBus
  readonly #passwords: Passwords
  readonly #sessions: AccountsOptions['sessions']
  readonly #tokens: OneTimeTokens
  readonly #mail: AccountsOptions['mail']
  readonly #pageTokens: PageTokens
  readonly #conversations: AccountsOptions['conversations']

  constructor(options: AccountsOptions) {
    this.#db = options.db
    this.#clock = options.clock
    this.#events = options.events
    this.#passwords = options.passwords
    this.#sessions = options.sessions
    this.#tokens = options.tokens
    this.#mail = options.mail
    this.#pageTokens = options.pageTokens
    this.#conversations = options.conversations
  }

  /**
   * Makes an account, and a letter that asks to confirm its address.
   * @throws AppError `validation_failed`, also when the address is taken.
   */
  async register(registration: { email: string; password: string; displayName?: string }): Promise<Account> {
    const email = registration.email.trim()
    const displayName = registration.displayName?.trim()
    refuse({
      email: emailProblem(email),
      password: passwordProblem(registration.password, email),
      display_name: displayName === undefined ? undefined : displayNameProblem(displayName),
    })
    const id = newId()
    const user = {
      id,
      email,
      displayName: displayName ?? email,
      shortId: nanoid(),
      username: newUsername(),
      passwordHash: await this.#passwords.hash(registration.password),
    }
    await this.#claimingEmail(async (tx) => {
      await insertUser(tx, user, this.#now())
      await queueLetter(tx, { kind: 'email_confirmation', userId: id, recipient: email }, this.#now())
    })
    this.#mail.wake()
    return this.find(id)
  }

  /**
   * Finds the account by its address and password.
   * @throws AppError `invalid_credentials`, after the same time whichever is wrong.
   */
  async authenticate(email: string, password: string): Promise<Account> {
    const found = isStorable(email) ? await findForSignIn(this.#db.orm, email.trim()) : undefined
    const isRight = await this.#passwords.verify(found?.passwordHash, password)
    if (!found || !isRight) throw new AppError('invalid_credentials')
    // The queue of hashing may be long: a password that was changed meanwhile must not open a session any more.
    const current = await findCredentials(this.#db.orm, found.id)
    if (current?.passwordHash !== found.passwordHash) throw new AppError('invalid_credentials')
    const { passwordHash: _secret, ...account } = found
    return account
  }

  /** @throws AppError `not_found` when there is no such user any more. */
  async find(userId: string): Promise<Account> {
    const account = await findAccount(this.#db.orm, userId)
    if (!account) throw new AppError('not_found')
    return account
  }

  /** The account, its conversations, and everyone else in them. */
  async signInDetails(userId: string): Promise<SignInDetails> {
    const [account, talks] = await Promise.all([this.find(userId), this.#conversations.listOf(userId)])
    return { account, ...talks }
  }

  /** Everyone but the user, newest first; `search` is a part of the email or the display name. */
  async list(
    userId: string,
    { search = '', pageSize = 20, pageToken }: { search?: string; pageSize?: number; pageToken?: string },
  ): Promise<Page<UserSummary>> {
    if (!isStorable(search)) throw invalidField('search', 'has characters that cannot be stored')
    const scope = ['users', userId, search]
    const before = pageToken === undefined ? undefined : this.#pageTokens.open(scope, pageToken)
    const found = await listUsers(this.#db.orm, { except: userId, search, before, limit: pageSize + 1 })
    const items = found.slice(0, pageSize)
    const isLast = found.length <= pageSize
    return { items, pageToken: isLast ? null : this.#pageTokens.seal(scope, items.at(-1)!.id) }
  }

  /** Saves the settings that are given. */
  async updateProfile(
    userId: string,
    { hidden, theme, magnification, recents }: Partial<Profile>,
  ): Promise<Account> {
    const given = Object.entries({ hidden, theme, magnification, recents }).filter(
      ([, value]) => value !== undefined,
    )
    const changes: Partial<Profile> = Object.fromEntries(given)
    refuse(profileProblems(changes))
    if (given.length) await updateProfile(this.#db.orm, userId, changes)
    if (hidden !== undefined) this.#events.emit('hidden_changed', { userId, hidden })
    return this.find(userId)
  }

  async setHidden(userId: string, hidden: boolean): Promise<void> {
    await this.updateProfile(userId, { hidden })
  }

  setRecents(userId: string, recents: string[]): Promise<Account> {
    return this.updateProfile(userId, { recents })
  }

  /** @throws AppError `name_unchanged`, or `validation_failed`. */
  async setDisplayName(userId: string, name: string): Promise<Account> {
    const displayName = name.trim()
    refuse({ display_name: displayNameProblem(displayName) })
    const isNew = await updateDisplayName(this.#db.orm, userId, displayName, this.#now())
    if (!isNew) throw new AppError('name_unchanged')
    return this.find(userId)
  }

  /** Sends a letter with which the address can be confirmed, unless it is. */
  async requestEmailConfirmation(userId: string): Promise<void> {
    const { email, confirmedAt } = await this.find(userId)
    if (!confirmedAt) await this.#send({ kind: 'email_confirmation', userId, recipient: email })
  }

  /** @throws AppError `invalid_token`. */
  async confirmEmail(token: string): Promise<void> {
    await this.#db.transaction(async (tx) => {
      const { id } = await this.#tokens.use(tx, 'email_confirmation', token)
      await updateUser(tx, id, { emailConfirmedAt: this.#now() }, this.#now())
    })
  }

  /** Sends a letter with which the address can be changed, to the address as it is. */
  async requestEmailChange(userId: string): Promise<void> {
    const { email } = await this.find(userId)
    await this.#send({ kind: 'email_change', userId, recipient: email })
  }

  /**
   * Changes the address: the new one is unconfirmed, both are written to, and every session ends.
   * @throws AppError `invalid_token`, or `validation_failed`.
   */
  async changeEmail(
    userId: string,
    { token, email: typed, password }: { token: string; email: string; password: string },
  ): Promise<void> {
    const email = typed.trim()
    const owner = await this.#tokens.owner(this.#db.orm, 'email_change', token)
    if (owner.id !== userId) throw new AppError('invalid_token')
    refuse({ email: isSameEmail(email, owner.email) ? 'is the address already' : emailProblem(email) })
    const known = await this.#prove(userId, password)
    const ended = await this.#claimingEmail(async (tx) => {
      const { email: oldEmail, passwordHash } = await this.#tokens.use(tx, 'email_change', token)
      if (passwordHash !== known.passwordHash) throw wrongPassword()
      const now = this.#now()
      await updateUser(tx, userId, { email, emailConfirmedAt: null }, now)
      await deleteTokensOf(tx, userId)
      await queueLetter(tx, { kind: 'email_confirmation', userId, recipient: email }, now)
      await queueLetter(tx, { kind: 'email_changed', userId, recipient: oldEmail }, now)
      return this.#sessions.revokeAllIn(tx, userId)
    })
    this.#sessions.announce(ended)
    this.#mail.wake()
  }

  /**
   * Sets a new password, knowing the current one; every session ends.
   * @throws AppError `validation_failed`.
   */
  async changePassword(userId: string, change: PasswordChange & { password: string }): Promise<void> {
    const { email } = await this.find(userId)
    refuse(passwordChangeProblems(change, email))
    const known = await this.#prove(userId, change.password)
    await this.#replacePassword(change.newPassword, async (tx) => {
      const current = await lockCredentials(tx, userId)
      if (current?.passwordHash !== known.passwordHash) throw wrongPassword()
      return userId
    })
  }

  /** Sends a letter with which the password can be reset, if there is such an account: the sender finds out, later. */
  async requestPasswordReset(email: string): Promise<void> {
    const recipient = email.trim()
    if (!isStorable(recipient)) throw invalidField('email', 'must be an email address')
    // Nobody can have registered with it.
    if (emailProblem(recipient)) return
    await this.#send({ kind: 'password_reset', userId: null, recipient })
  }

  /**
   * Whose password a letter's token resets; it stays good.
   * @throws AppError `invalid_token`.
   */
  userOfPasswordReset(token: string): Promise<UserSummary> {
    return this.#tokens.owner(this.#db.orm, 'password_reset', token)
  }

  /**
   * Sets a new password with the token of a letter; every session ends. A current password, if sent, must be right.
   * @throws AppError `invalid_token`, or `validation_failed`.
   */
  async resetPassword(change: PasswordChange & { token: string; password?: string }): Promise<void> {
    const { id, email } = await this.userOfPasswordReset(change.token)
    refuse(passwordChangeProblems(change, email))
    if (change.password !== undefined) await this.#prove(id, change.password)
    await this.#replacePassword(change.newPassword, async (tx) => {
      const user = await this.#tokens.use(tx, 'password_reset', change.token)
      return user.id
    })
  }

  /** @param authorize locks the user for the transaction, and throws if the change is not allowed after all. */
  async #replacePassword(password: string, authorize: (tx: Orm) => Promise<string>): Promise<void> {
    // Hashed first: a transaction must not wait in that queue.
    const passwordHash = await this.#passwords.hash(password)
    const ended = await this.#db.transaction(async (tx): Promise<Revocation[]> => {
      const userId = await authorize(tx)
      await updateUser(tx, userId, { passwordHash }, this.#now())
      await deleteTokensOf(tx, userId)
      return this.#sessions.revokeAllIn(tx, userId)
    })
    this.#sessions.announce(ended)
  }

  /** What was known when the password was found right, to be compared once the user is locked. */
  async #prove(userId: string, password: string): Promise<Credentials> {
    const known = await findCredentials(this.#db.orm, userId)
    const isRight = await this.#passwords.verify(known?.passwordHash, password)
    if (!known || !isRight) throw wrongPassword()
    return known
  }

  /** Runs a transaction that gives an address to a user. */
  async #claimingEmail<T>(work: (tx: Orm) => Promise<T>): Promise<T> {
    try {
      return await this.#db.transaction(work)
    } catch (cause) {
      if (!isUniqueViolation(cause, 'users_email_unique')) throw cause
      throw new AppError('validation_failed', { fields: { email: ['has already been taken'] }, cause })
    }
  }

  async #send(letter: { kind: LetterKind; userId: string | null; recipient: string }): Promise<void> {
    await queueLetter(this.#db.orm, letter, this.#now())
    this.#mail.wake()
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}

function passwordChangeProblems({ newPassword, newPasswordConfirmation }: PasswordChange, email: string) {
  return {
    new_password: passwordProblem(newPassword, email),
    new_password_confirmation: newPassword === newPasswordConfirmation ? undefined : 'does not match',
  }
}

function isSameEmail(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}

function wrongPassword(): AppError {
  return invalidField('current_password', 'is not valid')
}
