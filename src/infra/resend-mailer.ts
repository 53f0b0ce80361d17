import { createHash } from 'node:crypto'
import { Resend } from 'resend'
import type { Letter, Mailer } from '../domain/mail.ts'

const TIMEOUT_MS = 10_000

/** Hands letters to the HTTP API of Resend. */
export class ResendMailer implements Mailer {
  readonly #resend: Resend
  readonly #from: string

  /** @param options `baseUrl` is Resend's own unless given. */
  constructor({ apiKey, from, baseUrl }: { apiKey: string; from: string; baseUrl?: string }) {
    this.#resend = new Resend(apiKey, baseUrl ? { baseUrl } : {})
    this.#from = from
  }

  async send(letter: Letter): Promise<void> {
    const { to, subject, text, html } = letter
    const { error } = await this.#resend.emails.send(
      { from: this.#from, to, subject, text, html },
      { idempotencyKey: idempotencyKey(letter), signal: AbortSignal.timeout(TIMEOUT_MS) },
    )
    if (error) throw new ResendError(error)
  }
}

class ResendError extends Error {
  /** Resend's name of the failure. */
  readonly code: string

  constructor({ name, message }: { name: string; message: string }) {
    super(message)
    this.name = 'ResendError'
    this.code = name
  }
}

/** A key is refused when it comes with another text, and a letter that is tried again has a new token in it. */
function idempotencyKey({ id, text }: Letter): string {
  return `${id}/${createHash('sha256').update(text).digest('base64url')}`
}
