import { createHmac, timingSafeEqual } from 'node:crypto'
import { AppError } from '../errors.ts'
import { deriveKey } from '../keys.ts'

/** One page and the token of the next, or null at the end. */
export interface Page<T> {
  items: T[]
  pageToken: string | null
}

const MAC_BYTES = 16

/** Makes and checks page tokens: opaque, signed, and good only for the scope (user and query) they were made for. */
export class PageTokens {
  readonly #key: Buffer

  constructor(secretKeyBase: string) {
    this.#key = deriveKey(secretKeyBase, 'page tokens')
  }

  /** @param cursor where the next page starts; it can be read, not changed, by the client. */
  seal(scope: readonly string[], cursor: string): string {
    return Buffer.concat([this.#mac(scope, cursor), Buffer.from(cursor)]).toString('base64url')
  }

  /** @throws AppError `invalid_page_token` when the token was not made for this scope. */
  open(scope: readonly string[], token: string): string {
    const bytes = Buffer.from(token, 'base64url')
    const cursor = bytes.toString('utf8', MAC_BYTES)
    const mac = bytes.subarray(0, MAC_BYTES)
    // Several texts decode to the same bytes: only the one that was handed out is good.
    const isCanonical = bytes.toString('base64url') === token
    if (!isCanonical || mac.length !== MAC_BYTES || !timingSafeEqual(mac, this.#mac(scope, cursor))) {
      throw new AppError('invalid_page_token')
    }
    return cursor
  }

  #mac(scope: readonly string[], cursor: string): Buffer {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([...scope, cursor]))
      .digest()
      .subarray(0, MAC_BYTES)
  }
}
