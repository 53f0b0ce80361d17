import type { Letter, Mailer } from '../../src/domain/mail.ts'

/** A mailer that fails as often as it is told to, and remembers every letter it was given. */
export class UnreliableMailer implements Mailer {
  readonly tried: Letter[] = []
  readonly sent: Letter[] = []
  #failures: number

  constructor(failures: number) {
    this.#failures = failures
  }

  async send(letter: Letter): Promise<void> {
    this.tried.push(letter)
    if (this.#failures-- > 0) {
      throw Object.assign(new Error(`550 <${letter.to}> is not welcome`), {
        code: 'EENVELOPE',
        responseCode: 550,
      })
    }
    this.sent.push(letter)
  }
}

/** A mailer that holds every letter until it is opened. */
export class GatedMailer implements Mailer {
  readonly sent: Letter[] = []
  waiting = 0
  most = 0
  /** Lets all letters through, those that wait and those that come. */
  readonly open: () => void
  readonly #opened: Promise<void>

  constructor() {
    let open = () => {}
    this.#opened = new Promise((resolve) => {
      open = resolve
    })
    this.open = open
  }

  async send(letter: Letter): Promise<void> {
    this.most = Math.max(this.most, ++this.waiting)
    await this.#opened
    this.waiting--
    this.sent.push(letter)
  }
}
