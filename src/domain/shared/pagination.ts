import { createHmac, timingSafeEqual } from 'node:crypto'
import { AppError } from '../../errors.ts'
import { deriveKey } from '../../keys.ts'

/** A page and the token of the next one; null on the last page. */
export interface Page<T> {
  items: T[]
  pageToken: string | null
}

const MAC_BYTES = 16

/** Creates and verifies page tokens. A token is signed, and valid only for the scope (user and query) it was created for. */
export class PageTokens {
  readonly #key: Buffer

  constructor(secretKeyBase: string) {
    this.#key = deriveKey(secretKeyBase, 'page tokens')
  }

  /**
   * Creates a page from the items found.
   * @param found up to `pageSize + 1` items; one more than `pageSize` means that there is a next page.
   * @param cursorOf returns the cursor of the page after this item.
   */
  page<T>(
    scope: readonly string[],
    found: readonly T[],
    pageSize: number,
    cursorOf: (last: T) => string,
  ): Page<T> {
    const items = found.slice(0, pageSize)
    const last = found.length > pageSize ? items.at(-1) : undefined
    return { items, pageToken: last === undefined ? null : this.seal(scope, cursorOf(last)) }
  }

  /** Signs a cursor. The client can read it, but not change it. */
  seal(scope: readonly string[], cursor: string): string {
    return Buffer.concat([this.#mac(scope, cursor), Buffer.from(cursor)]).toString('base64url')
  }

  /** @throws AppError `invalid_page_token` when the token was not created for this scope. */
  open(scope: readonly string[], token: string): string {
    const bytes = Buffer.from(token, 'base64url')
    const cursor = bytes.toString('utf8', MAC_BYTES)
    const mac = bytes.subarray(0, MAC_BYTES)
    // Several texts decode to the same bytes. Only the canonical one is valid.
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
