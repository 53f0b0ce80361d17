import type { Clock } from '../clock.ts'
import type { Letter, Mailer } from '../domain/mail.ts'

/** A letter as the mailbox page shows it. */
export type KeptLetter = Omit<Letter, 'id'> & { sent_at: string }

const CAPACITY = 200

/** Keeps the latest letters in memory, for development: they can be read at `/dev/mailbox`. */
export class DevMailbox implements Mailer {
  readonly #clock: Clock
  #letters: KeptLetter[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Newest first. */
  get letters(): readonly KeptLetter[] {
    return this.#letters
  }

  async send({ id: _id, ...letter }: Letter): Promise<void> {
    const sent = { ...letter, sent_at: new Date(this.#clock.now()).toISOString() }
    this.#letters = [sent, ...this.#letters].slice(0, CAPACITY)
  }
}
