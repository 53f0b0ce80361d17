import { createHmac } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import { deriveKey } from '../keys.ts'
import { isSameSecret } from './secrets.ts'

const LIFETIME_S = 60 * 60

/** The query of a link, as it came: nothing of it is believed. */
export interface LinkQuery {
  expires?: unknown
  signature?: unknown
}

interface MediaLinksOptions {
  clock: Clock
  secretKeyBase: string
  /** Where this server is reached, without a slash at the end. */
  publicUrl: string
}

/** Links to stored files: each opens one file to whoever has it, for an hour. They are for members only to be told. */
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
    const expires = String(Math.floor(this.#clock.now() / 1000) + LIFETIME_S)
    const query = new URLSearchParams({ expires, signature: this.#sign(mediaId, expires) })
    return `${this.#publicUrl}/api/v1/chat/media/${mediaId}?${query}`
  }

  /**
   * Checks a link.
   * @returns the milliseconds it still has to live.
   * @throws AppError `media_link_invalid` when it was not made here, for another file, or too long ago.
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
