import type { Clock } from '../clock.ts'
import type { Email, Mailer } from '../domain/mail/mail-worker.ts'

/** An email, as the development mailbox shows it. */
export type StoredEmail = Omit<Email, 'id'> & { sent_at: string }

const MAX_EMAILS = 200

/** Keeps the latest emails in memory for `/dev/mailbox`, during development. */
export class DevMailbox implements Mailer {
  readonly #clock: Clock
  #emails: StoredEmail[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Newest first. */
  get emails(): readonly StoredEmail[] {
    return this.#emails
  }

  async send({ id: _id, ...email }: Email): Promise<void> {
    const sent = { ...email, sent_at: new Date(this.#clock.now()).toISOString() }
    this.#emails = [sent, ...this.#emails].slice(0, MAX_EMAILS)
  }
}
