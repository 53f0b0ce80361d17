import { createHmac } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { AppError } from '../../errors.ts'
import { deriveKey } from '../../keys.ts'
import { isSameSecret } from '../shared/secrets.ts'

const LINK_LIFETIME_S = 60 * 60

/** The unverified query of a link. */
export interface LinkQuery {
  expires?: unknown
  signature?: unknown
}

interface MediaLinksOptions {
  clock: Clock
  secretKeyBase: string
  /** The public base URL of the server, without a trailing slash. */
  publicUrl: string
}

/** Signs links to stored files. A link gives anyone who has it access to one file for an hour, so it is sent to members only. */
export class MediaLinks {
  readonly #clock: Clock
  readonly #key: Buffer
  readonly #publicUrl: string

  constructor({ clock, secretKeyBase, publicUrl }: MediaLinksOptions) {
    this.#clock = clock
    this.#key = deriveKey(secretKeyBase, 'media urls')
    this.#publicUrl = publicUrl
  }

  /** An absolute URL of the file. */
  make(mediaId: string): string {
    const expires = String(Math.floor(this.#clock.now() / 1000) + LINK_LIFETIME_S)
    const query = new URLSearchParams({ expires, signature: this.#sign(mediaId, expires) })
    return `${this.#publicUrl}/api/v1/chat/media/${mediaId}?${query}`
  }

  /**
   * Checks a link.
   * @returns the milliseconds until it expires.
   * @throws AppError `media_link_invalid` when the signature is invalid, the link is for another file, or it has expired.
   */
  verify(mediaId: string, { expires, signature }: LinkQuery): number {
    const isSigned =
      typeof expires === 'string' &&
      typeof signature === 'string' &&
      isSameSecret(signature, this.#sign(mediaId, expires))
    const leftMs = Number(expires) * 1000 - this.#clock.now()
    if (!isSigned || leftMs <= 0) throw new AppError('media_link_invalid')
    return leftMs
  }

  #sign(mediaId: string, expires: string): string {
    return createHmac('sha256', this.#key)
      .update(JSON.stringify([mediaId, expires]))
      .digest('base64url')
  }
}
