import { v7 as newId } from 'uuid'
import type { Clock } from '../clock.ts'
import type { Database, Orm } from '../db/database.ts'
import {
  claimOutboxRow,
  deleteOutboxRow,
  insertOutboxRow,
  type OutboxRow,
  postponeOutboxRow,
} from '../db/queries/outbox.ts'
import { findDevice } from '../db/queries/totp.ts'
import { findAccount, findUserByEmail, type UserSummary } from '../db/queries/users.ts'
import {
  isLetterKind,
  type Letter,
  type LetterKind,
  type LinkTargets,
  letterLink,
  writeLetter,
} from './letters.ts'
import { causeOf, type Log, Outage } from './outage.ts'
import type { OneTimeTokens } from './tokens.ts'
import { isLocked } from './totp-attempts.ts'

export type { Letter } from './letters.ts'

/** A way for letters to leave. */
export interface Mailer {
  /** Resolves when the letter is taken over; throws, with a `code` that names nobody, when it is not. */
  send(letter: Letter): Promise<void>
}

export interface MailWorkerOptions extends LinkTargets {
  db: Database
  clock: Clock
  /** Undefined when there is no way for letters to leave: they wait. */
  mailer: Mailer | undefined
  tokens: OneTimeTokens
  log: Log
}

const LOOK_MS = 5_000
const AT_ONCE = 4
/** A claimed letter is due again after this, should the claimer have died. */
const CLAIM_MS = 60_000
const FIRST_BACKOFF_MS = 5_000
const LONGEST_BACKOFF_MS = 60 * 60 * 1000
const GIVE_UP_MS = 24 * 60 * 60 * 1000

/** Puts a letter into the outbox, as part of the transaction that is its cause. */
export async function queueLetter(
  tx: Orm,
  letter: { kind: LetterKind; userId: string | null; recipient: string },
  now: Date,
): Promise<void> {
  await insertOutboxRow(tx, { id: newId(), ...letter, now })
}

/** Sends the letters of the outbox, each at least once, until they are taken or a day has passed. */
export class MailWorker {
  readonly #db: Database
  readonly #clock: Clock
  readonly #mailer: Mailer | undefined
  readonly #tokens: OneTimeTokens
  readonly #links: LinkTargets
  readonly #log: Log
  readonly #outage: Outage
  readonly #lanes = new Set<Promise<void>>()
  #wakes = 0
  #running = false
  #cancel = () => {}

  constructor({ db, clock, mailer, tokens, log, ...links }: MailWorkerOptions) {
    this.#db = db
    this.#clock = clock
    this.#mailer = mailer
    this.#tokens = tokens
    this.#links = links
    this.#log = log
    this.#outage = new Outage(log, 'Sending letters')
  }

  start(): void {
    if (!this.#mailer) {
      this.#log.warn('Letters wait until SMTP_URL or RESEND_API_KEY is set.')
      return
    }
    this.#running = true
    this.#cancel = this.#clock.every(LOOK_MS, () => this.wake())
    this.wake()
  }

  /** Resolves when what is being sent has left. */
  async stop(): Promise<void> {
    this.#running = false
    this.#cancel()
    await this.#rest()
  }

  /** Looks for letters now: call it after a commit that queued one. */
  wake(): void {
    this.#wakes++
    this.#openLane()
  }

  /** Resolves when nothing is due any more. */
  async drain(): Promise<void> {
    this.wake()
    await this.#rest()
  }

  async #rest(): Promise<void> {
    while (this.#lanes.size) await Promise.all(this.#lanes)
  }

  #openLane(): void {
    if (!this.#running || !this.#mailer || this.#lanes.size >= AT_ONCE) return
    const lane = this.#work(this.#mailer).finally(() => this.#lanes.delete(lane))
    this.#lanes.add(lane)
  }

  async #work(mailer: Mailer): Promise<void> {
    try {
      while (this.#running) {
        const wakes = this.#wakes
        const row = await this.#claim()
        if (row) {
          this.#openLane()
          await this.#deliver(mailer, row)
        } else if (wakes === this.#wakes) return
      }
    } catch (error) {
      this.#outage.begin(error)
    }
  }

  #claim(): Promise<OutboxRow | undefined> {
    const now = this.#clock.now()
    return claimOutboxRow(this.#db.orm, new Date(now), new Date(now + CLAIM_MS))
  }

  async #deliver(mailer: Mailer, row: OutboxRow): Promise<void> {
    try {
      const letter = await this.#write(row)
      if (letter) {
        await mailer.send(letter)
        this.#outage.end()
      }
    } catch (error) {
      return this.#retryLater(row, error)
    }
    await deleteOutboxRow(this.#db.orm, row.id)
  }

  async #retryLater({ id, kind, insertedAt, attempts }: OutboxRow, error: unknown): Promise<void> {
    const now = this.#clock.now()
    if (now - insertedAt.getTime() >= GIVE_UP_MS) {
      this.#log.error(
        { kind, cause: causeOf(error) },
        'A letter could not be sent for a day and is given up.',
      )
      return deleteOutboxRow(this.#db.orm, id)
    }
    this.#outage.begin(error)
    const backoff = Math.min(FIRST_BACKOFF_MS * 2 ** (attempts - 1), LONGEST_BACKOFF_MS)
    await postponeOutboxRow(this.#db.orm, id, new Date(now + backoff))
  }

  /** Undefined when the letter has lost its reason: there is no such account, or it has another address by now. */
  async #write({ id, kind, userId, recipient }: OutboxRow): Promise<Letter | undefined> {
    if (!isLetterKind(kind)) throw new Error(`Unknown kind of letter: ${kind}`)
    if (kind === 'email_changed') return { id, to: recipient, ...writeLetter(kind) }
    const user = await this.#addressee(kind, userId, recipient)
    if (!user || (kind === 'email_verification' && !(await this.#needsLetters(user.id)))) return undefined
    const token = await this.#db.transaction((tx) => this.#tokens.issue(tx, kind, user))
    return { id, to: user.email, ...writeLetter(kind, letterLink(this.#links, kind, token)) }
  }

  /** Who has an authenticator app signs in with it, unless it was locked. */
  async #needsLetters(userId: string): Promise<boolean> {
    const device = await findDevice(this.#db.orm, userId)
    return !device?.confirmedAt || isLocked(device)
  }

  async #addressee(
    kind: LetterKind,
    userId: string | null,
    recipient: string,
  ): Promise<UserSummary | undefined> {
    if (!userId) return findUserByEmail(this.#db.orm, recipient)
    const account = await findAccount(this.#db.orm, userId)
    const isDue = account?.email === recipient && !(kind === 'email_confirmation' && account.confirmedAt)
    return isDue ? account : undefined
  }
}
