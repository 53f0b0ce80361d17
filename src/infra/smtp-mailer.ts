import { createTransport, type Transporter } from 'nodemailer'
import type { Letter, Mailer } from '../domain/mail.ts'

const TIMEOUT_MS = 10_000

/** Hands letters to an SMTP server. */
export class SmtpMailer implements Mailer {
  readonly #transport: Transporter
  readonly #from: string

  /** @param options the URL may carry credentials and nodemailer's own settings in its query. */
  constructor({ url, from }: { url: string; from: string }) {
    this.#transport = createTransport({
      url,
      dnsTimeout: TIMEOUT_MS,
      connectionTimeout: TIMEOUT_MS,
      greetingTimeout: TIMEOUT_MS,
      socketTimeout: TIMEOUT_MS,
    })
    this.#from = from
  }

  async send({ to, subject, text, html }: Letter): Promise<void> {
    // As an object the address is taken as it is: a string would be parsed, and may name several people.
    await this.#transport.sendMail({ from: this.#from, to: { name: '', address: to }, subject, text, html })
  }
}
