import type { AttachedFile } from '../encryption/attachment.ts'
import type { Session } from '../session/session.ts'
import { type FetchOptions, fetchFile, fetchRange } from './fetch-file.ts'
import type { TransferOptions } from './transfer.ts'

/** Media that browsers show without running anything. */
const HARMLESS = /^(image\/(png|jpeg|gif|webp|avif)|audio\/[\w.+-]+|video\/[\w.+-]+)$/

/** A file of a message, to be fetched and decrypted. */
export class FileDownload {
  readonly file: AttachedFile
  readonly #session: Session
  readonly #path: string
  readonly #options: TransferOptions

  constructor(session: Session, conversationId: string, file: AttachedFile, options: TransferOptions) {
    this.file = file
    this.#session = session
    this.#path = `/api/conversations/${encodeURIComponent(conversationId)}/attachments/${encodeURIComponent(file.id)}`
    this.#options = options
  }

  /**
   * The bytes of the file, as they are read. All are authentic, but the file is complete and the one that was sent only when the
   * stream ends: it fails with an EncryptionError otherwise.
   */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const canceled = new AbortController()
    const chunks = this.#fetch(canceled.signal)
    return new ReadableStream(
      {
        async pull(controller) {
          const { done, value } = await chunks.next()
          if (done) controller.close()
          else controller.enqueue(value)
        },
        cancel: (reason) => canceled.abort(reason),
      },
      { highWaterMark: 0 },
    )
  }

  /** The same, for `for await`. */
  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    return this.#fetch()
  }

  /** The whole file. */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await (await this.#collect('')).arrayBuffer())
  }

  /** The whole file. Its type is that which the sender names only if a browser runs nothing in such a file. */
  blob(): Promise<Blob> {
    const { type } = this.file
    return this.#collect(HARMLESS.test(type) ? type : 'application/octet-stream')
  }

  /** The bytes from `start` to before `end`. They are authentic; the digest of the whole file is not checked. */
  async range(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array<ArrayBuffer>[] = []
    for await (const part of fetchRange(this.#fetchOptions(), start, end)) parts.push(part)
    return new Uint8Array(await new Blob(parts).arrayBuffer())
  }

  async #collect(type: string): Promise<Blob> {
    // Browsers keep the content of a Blob outside of the memory of the page.
    let parts: Blob[] = []
    for await (const chunk of this.#fetch()) {
      parts.push(new Blob([chunk]))
      if (parts.length === 64) parts = [new Blob(parts)]
    }
    return new Blob(parts, { type })
  }

  #fetch(canceled?: AbortSignal): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    return fetchFile(this.#fetchOptions(canceled))
  }

  #fetchOptions(canceled?: AbortSignal): FetchOptions {
    const { onProgress, signal } = this.#options
    return {
      session: this.#session,
      path: this.#path,
      file: this.file,
      signals: [signal, canceled],
      onProgress,
    }
  }
}
