import type { Clock } from '../../clock.ts'
import type { Database, Orm } from '../../db/database.ts'
import { findAccount, findUserByEmail, type UserSummary } from '../../db/queries/accounts/users.ts'
import {
  claimOutboxRow,
  deleteOutboxRow,
  type OutboxRow,
  postponeOutboxRow,
} from '../../db/queries/mail/outbox.ts'
import { findDevice } from '../../db/queries/two-factor/totp.ts'
import type { OneTimeTokens, TokenContext } from '../accounts/one-time-tokens.ts'
import { causeOf, FailureReporter, type Log } from '../shared/failure-reporter.ts'
import { isUnderAttack } from '../two-factor/code-limits.ts'
import {
  type Email,
  type EmailLinks,
  isEmailKind,
  isNotice,
  type RequestedEmailKind,
  renderEmail,
} from './email-templates.ts'

export type { Email } from './email-templates.ts'

/** Sends emails. */
export interface Mailer {
  /** Resolves once the email is accepted. @throws an error whose `code` has no personal data. */
  send(email: Email): Promise<void>
}

export interface MailWorkerOptions {
  db: Database
  clock: Clock
  /** Undefined when none is configured: emails stay in the outbox. */
  mailer: Mailer | undefined
  tokens: OneTimeTokens
  links: EmailLinks
  log: Log
}

const POLL_INTERVAL_MS = 5_000
const MAX_CONCURRENT_EMAILS = 4
/** A claimed email becomes due again after this time, in case its worker has crashed. */
const CLAIM_TIMEOUT_MS = 60_000
const MIN_RETRY_DELAY_MS = 5_000
const MAX_RETRY_DELAY_MS = 60 * 60 * 1000
const MAX_EMAIL_AGE_MS = 24 * 60 * 60 * 1000

/** Sends the emails of the outbox at least once each, and retries for a day. */
export class MailWorker {
  readonly #db: Database
  readonly #clock: Clock
  readonly #mailer: Mailer | undefined
  readonly #tokens: OneTimeTokens
  readonly #links: EmailLinks
  readonly #log: Log
  readonly #failures: FailureReporter
  readonly #workers = new Set<Promise<void>>()
  #wakes = 0
  #running = false
  #cancel = () => {}

  constructor({ db, clock, mailer, tokens, links, log }: MailWorkerOptions) {
    this.#db = db
    this.#clock = clock
    this.#mailer = mailer
    this.#tokens = tokens
    this.#links = links
    this.#log = log
    this.#failures = new FailureReporter(log, 'Sending emails')
  }

  start(): void {
    if (!this.#mailer) {
      this.#log.warn('Emails are queued and not sent: set SMTP_URL or RESEND_API_KEY.')
      return
    }
    this.#running = true
    this.#cancel = this.#clock.every(POLL_INTERVAL_MS, () => this.wake())
    this.wake()
  }

  /** Resolves when the emails that are being sent are done. */
  async stop(): Promise<void> {
    this.#running = false
    this.#cancel()
    await this.#idle()
  }

  /** Checks the outbox now; call it after the commit that queued an email. */
  wake(): void {
    this.#wakes++
    this.#startSender()
  }

  /** Sends everything that is due. */
  async drain(): Promise<void> {
    this.wake()
    await this.#idle()
  }

  async #idle(): Promise<void> {
    while (this.#workers.size) await Promise.all(this.#workers)
  }

  #startSender(): void {
    if (!this.#running || !this.#mailer || this.#workers.size >= MAX_CONCURRENT_EMAILS) return
    const worker = this.#work(this.#mailer).finally(() => this.#workers.delete(worker))
    this.#workers.add(worker)
  }

  async #work(mailer: Mailer): Promise<void> {
    try {
      while (this.#running) {
        const wakes = this.#wakes
        const row = await this.#claim()
        if (row) {
          this.#startSender()
          await this.#deliver(mailer, row)
        } else if (wakes === this.#wakes) return
      }
    } catch (error) {
      this.#failures.reportFailure(error)
    }
  }

  #claim(): Promise<OutboxRow | undefined> {
    const now = this.#clock.now()
    return claimOutboxRow(this.#db.orm, new Date(now), new Date(now + CLAIM_TIMEOUT_MS))
  }

  async #deliver(mailer: Mailer, row: OutboxRow): Promise<void> {
    try {
      const email = await this.#render(row)
      if (email) {
        await mailer.send(email)
        this.#failures.reportRecovery()
      }
    } catch (error) {
      return this.#retryLater(row, error)
    }
    await deleteOutboxRow(this.#db.orm, row.id)
  }

  async #retryLater({ id, kind, insertedAt, attempts }: OutboxRow, error: unknown): Promise<void> {
    const now = this.#clock.now()
    if (now - insertedAt.getTime() >= MAX_EMAIL_AGE_MS) {
      this.#log.error(
        { kind, cause: causeOf(error) },
        'An email was not sent within 24 hours and is dropped.',
      )
      return deleteOutboxRow(this.#db.orm, id)
    }
    this.#failures.reportFailure(error)
    const backoff = Math.min(MIN_RETRY_DELAY_MS * 2 ** (attempts - 1), MAX_RETRY_DELAY_MS)
    await postponeOutboxRow(this.#db.orm, id, new Date(now + backoff))
  }

  /** Renders an email; undefined when it is obsolete: the account is gone, has another address, or does not need it. */
  async #render({ id, kind, userId, recipient, details }: OutboxRow): Promise<Email | undefined> {
    if (!isEmailKind(kind)) throw new Error(`Unknown kind of email: ${kind}`)
    if (isNotice(kind)) return { id, to: recipient, ...renderEmail(kind, { details }) }
    const user = await this.#recipient(kind, userId, recipient)
    if (!user || (kind === 'email_verification' && !(await this.#needsVerification(user)))) return undefined
    const links = await this.#db.transaction(async (tx) => {
      const link = await this.#link(tx, kind, user)
      if (kind !== 'email_confirmation') return { link }
      return { link, denyLink: await this.#link(tx, 'registration_denial', user) }
    })
    return { id, to: user.email, ...renderEmail(kind, { ...links, details }) }
  }

  /** Issues a token and makes its link. */
  async #link(tx: Orm, context: TokenContext, user: UserSummary): Promise<string> {
    return this.#links[context](await this.#tokens.issue(tx, context, user))
  }

  /**
   * A user with an authenticator app signs in with its codes. Exceptions: wrong codes of others may lock them out, or the app was
   * set up before the address was verified.
   */
  async #needsVerification({ id, confirmed }: UserSummary): Promise<boolean> {
    const device = await findDevice(this.#db.orm, id)
    return !confirmed || !device?.confirmedAt || isUnderAttack(device)
  }

  async #recipient(
    kind: RequestedEmailKind,
    userId: string | null,
    recipient: string,
  ): Promise<UserSummary | undefined> {
    if (!userId) return findUserByEmail(this.#db.orm, recipient)
    const account = await findAccount(this.#db.orm, userId)
    const isDue = account?.email === recipient && !(kind === 'email_confirmation' && account.confirmedAt)
    return isDue ? account : undefined
  }
}
