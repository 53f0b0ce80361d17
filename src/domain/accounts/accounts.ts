import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import {
  type ConversationRow,
  findRefreshDetails,
  findSignInDetails,
  type SignInRow,
} from '../../db/queries/accounts/sign-in-details.ts'
import {
  type Account,
  findAccount,
  type Profile,
  type UserSummary,
  updateDisplayName,
  updateProfile,
} from '../../db/queries/accounts/users.ts'
import { insertAll } from '../../db/queries/insertions.ts'
import { AppError } from '../../errors.ts'
import { MAX_SIGN_IN_CONVERSATIONS, pageOfConversations } from '../conversations/conversation-pages.ts'
import type { ListedConversation } from '../conversations/conversations.ts'
import { emailDetails } from '../mail/email-templates.ts'
import type { MailWorker } from '../mail/mail-worker.ts'
import { emailInsertion } from '../mail/outbox.ts'
import { passwordProblem } from '../passwords/password-rules.ts'
import type { Passwords } from '../passwords/passwords.ts'
import type { ClientDevice } from '../sessions/client-device.ts'
import type { EventBus } from '../shared/events.ts'
import type { PageTokens } from '../shared/pagination.ts'
import { displayNameProblem, emailProblem, profileProblems, rejectFields } from './account-rules.ts'
import type { NewUsers } from './new-users.ts'
import { reportingDuplicates } from './unique-fields.ts'

export type { Account, Profile, Theme, UserSummary } from '../../db/queries/accounts/users.ts'

export interface AccountsOptions {
  db: Database
  clock: Clock
  events: EventBus
  newUsers: NewUsers
  passwords: Pick<Passwords, 'hash'>
  mail: Pick<MailWorker, 'wake'>
  pageTokens: PageTokens
}

/** The data of the response to a sign-in. */
export interface SignInDetails {
  account: Account
  /** The newest ones. */
  conversations: ListedConversation[]
  /** Opens the page of older conversations; null when there are none. */
  conversationsPageToken: string | null
  /** The other members of these conversations. */
  users: UserSummary[]
}

/** The data of the response to a refresh: the same without the numbers of unread messages. */
export type RefreshDetails = Omit<SignInDetails, 'conversations'> & {
  conversations: Omit<ListedConversation, 'unread'>[]
}

/** Registration with a password, and the profile and settings of every account. */
export class Accounts {
  readonly #db: Database
  readonly #clock: Clock
  readonly #events: EventBus
  readonly #newUsers: NewUsers
  readonly #passwords: AccountsOptions['passwords']
  readonly #mail: AccountsOptions['mail']
  readonly #pageTokens: PageTokens

  constructor(options: AccountsOptions) {
    this.#db = options.db
    this.#clock = options.clock
    this.#events = options.events
    this.#newUsers = options.newUsers
    this.#passwords = options.passwords
    this.#mail = options.mail
    this.#pageTokens = options.pageTokens
  }

  /**
   * Creates an account and queues the email that confirms its address, unless `sendsEmail` is false.
   * @returns the id of the user.
   * @throws AppError `validation_failed`, also when the address is taken.
   */
  async register(
    registration: { email: string; password: string; displayName?: string; sendsEmail?: boolean },
    device: ClientDevice = {},
  ): Promise<string> {
    const email = registration.email.trim()
    const displayName = registration.displayName?.trim()
    rejectFields({
      email: emailProblem(email),
      password: passwordProblem(registration.password, email),
      displayName: displayName === undefined ? undefined : displayNameProblem(displayName, email),
    })
    const passwordHash = await this.#passwords.hash(registration.password)
    const { orm } = this.#db
    const now = this.#now()
    const { userId, insertions } = this.#newUsers.insertion(orm, { email, displayName, passwordHash }, now)
    if (registration.sendsEmail !== false) {
      const details = emailDetails(device, now)
      const confirmation = { kind: 'email_confirmation', userId, recipient: email, details } as const
      insertions.push(emailInsertion(orm, confirmation, now))
    }
    await reportingDuplicates(insertAll(orm, insertions))
    this.#mail.wake()
    return userId
  }

  /** @throws AppError `not_found`. */
  async find(userId: string): Promise<Account> {
    const account = await findAccount(this.#db.orm, userId)
    if (!account) throw new AppError('not_found')
    return account
  }

  /** The account, its newest conversations with unread messages, and the other members. @throws AppError `not_found`. */
  async signInDetails(userId: string): Promise<SignInDetails> {
    return this.#details(userId, await findSignInDetails(this.#db.orm, userId, MAX_SIGN_IN_CONVERSATIONS))
  }

  /** Like `signInDetails` without unread messages: it reads no message. @throws AppError `not_found`. */
  async refreshDetails(userId: string): Promise<RefreshDetails> {
    return this.#details(userId, await findRefreshDetails(this.#db.orm, userId, MAX_SIGN_IN_CONVERSATIONS))
  }

  #details<Row extends ConversationRow>(userId: string, found: SignInRow<Row> | undefined) {
    if (!found) throw new AppError('not_found')
    const limit = MAX_SIGN_IN_CONVERSATIONS
    const { items, pageToken } = pageOfConversations(this.#pageTokens, userId, found.conversations, limit)
    const conversations = items.map(({ insertedAt, updatedAt, ...conversation }) => ({
      ...conversation,
      insertedAt: new Date(insertedAt),
      updatedAt: new Date(updatedAt),
    }))
    return { ...found, conversations, conversationsPageToken: pageToken }
  }

  /** Saves the settings that are given. @throws AppError `validation_failed`. */
  async updateProfile(
    userId: string,
    { hidden, theme, magnification, recents, whoCanAdd }: Partial<Profile>,
  ): Promise<Account> {
    const given = Object.entries({ hidden, theme, magnification, recents, whoCanAdd }).filter(
      ([, value]) => value !== undefined,
    )
    const changes: Partial<Profile> = Object.fromEntries(given)
    rejectFields(profileProblems(changes))
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
    const user = await this.find(userId)
    rejectFields({ displayName: displayNameProblem(displayName, user.email) })
    const isChanged = await updateDisplayName(this.#db.orm, user, displayName, this.#now())
    if (!isChanged) throw new AppError('name_unchanged')
    this.#events.emit('display_name_changed', { userId, displayName })
    return this.find(userId)
  }

  #now(): Date {
    return new Date(this.#clock.now())
  }
}
