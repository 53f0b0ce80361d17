import { createHash } from 'node:crypto'
import { Resend } from 'resend'
import type { Email, Mailer } from '../domain/mail/mail-worker.ts'

const TIMEOUT_MS = 10_000

/** Sends emails through the HTTP API of Resend. */
export class ResendMailer implements Mailer {
  readonly #resend: Resend
  readonly #from: string

  /** @param options `baseUrl` overrides Resend's URL. */
  constructor({ apiKey, from, baseUrl }: { apiKey: string; from: string; baseUrl?: string }) {
    this.#resend = new Resend(apiKey, baseUrl ? { baseUrl } : {})
    this.#from = from
  }

  async send(email: Email): Promise<void> {
    const { to, subject, text, html } = email
    const { error } = await this.#resend.emails.send(
      { from: this.#from, to, subject, text, html },
      { idempotencyKey: idempotencyKey(email), signal: AbortSignal.timeout(TIMEOUT_MS) },
    )
    if (error) throw new ResendError(error)
  }
}

class ResendError extends Error {
  /** The error name that Resend returned. */
  readonly code: string

  constructor({ name, message }: { name: string; message: string }) {
    super(message)
    this.name = 'ResendError'
    this.code = name
  }
}

/** Resend rejects a key that was used with another body, and a retried email contains a new token. */
function idempotencyKey({ id, text }: Email): string {
  return `${id}/${createHash('sha256').update(text).digest('base64url')}`
}
