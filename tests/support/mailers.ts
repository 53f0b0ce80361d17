import type { Email, Mailer } from '../../src/domain/mail/mail-worker.ts'

/** A mailer that fails as often as it is told to, and remembers every email it was given. */
export class UnreliableMailer implements Mailer {
  readonly tried: Email[] = []
  readonly sent: Email[] = []
  #failures: number

  constructor(failures: number) {
    this.#failures = failures
  }

  async send(email: Email): Promise<void> {
    this.tried.push(email)
    if (this.#failures-- > 0) {
      throw Object.assign(new Error(`550 <${email.to}> is not welcome`), {
        code: 'EENVELOPE',
        responseCode: 550,
      })
    }
    this.sent.push(email)
  }
}

/** A mailer that holds every email until it is opened. */
export class GatedMailer implements Mailer {
  readonly sent: Email[] = []
  waiting = 0
  most = 0
  /** Lets all emails through, those that wait and those that come. */
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
    this.most = Math.max(this.most, ++this.waiting)
    await this.#opened
    this.waiting--
    this.sent.push(email)
  }
}
