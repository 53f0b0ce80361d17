import type { Email, Mailer } from '../../src/domain/mail/mail-worker.ts'

/** An email with arbitrary content. */
export const EMAIL = {
  id: 'an id',
  to: 'ann@example.com',
  subject: 'A subject',
  text: 'Some text',
  html: '<p>HTML</p>',
}

/** A mailer that fails a number of times, and records all attempts. */
export class UnreliableMailer implements Mailer {
  readonly attempts: Email[] = []
  readonly sent: Email[] = []
  #failures: number

  constructor(failures: number) {
    this.#failures = failures
  }

  async send(email: Email): Promise<void> {
    this.attempts.push(email)
    if (this.#failures-- > 0) {
      throw Object.assign(new Error(`550 <${email.to}> is not welcome`), {
        code: 'EENVELOPE',
        responseCode: 550,
      })
    }
    this.sent.push(email)
  }
}

/** A mailer that delays all emails until `open` is called. */
export class GatedMailer implements Mailer {
  readonly sent: Email[] = []
  waiting = 0
  maxWaiting = 0
  /** Sends all waiting and future emails. */
  readonly open: () => void
  readonly #opened: Promise<void>

  constructor() {
    let open = () => {}
    this.#opened = new Promise((resolve) => {
      open = resolve
    })
    this.open = open
  }

  async send(email: Email): Promise<void> {
    this.maxWaiting = Math.max(this.maxWaiting, ++this.waiting)
    await this.#opened
    this.waiting--
    this.sent.push(email)
  }
}
