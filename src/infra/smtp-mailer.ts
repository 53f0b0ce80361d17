import { createTransport, type Transporter } from 'nodemailer'
import type { Email, Mailer } from '../domain/mail/mail-worker.ts'

const TIMEOUT_MS = 10_000

/** Sends emails through an SMTP server. */
export class SmtpMailer implements Mailer {
  readonly #transport: Transporter
  readonly #from: string

  /** @param options the URL may contain credentials, and settings of nodemailer in its query. */
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

  async send({ to, subject, text, html }: Email): Promise<void> {
    // An object, because nodemailer parses strings, which may contain several addresses.
    await this.#transport.sendMail({ from: this.#from, to: { name: '', address: to }, subject, text, html })
  }
}
