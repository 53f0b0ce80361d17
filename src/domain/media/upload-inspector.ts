import { AppError, invalidField } from '../../errors.ts'
import { type Container, detectContainer, HEAD_BYTES, type MediaFormat } from './media-types.ts'

/** Checks a file while it is received: its format before any byte is passed on, and its size until the end. */
export class UploadInspector {
  readonly #maxBytes: number
  readonly #declaredFormat: MediaFormat | undefined
  #container: Container | undefined
  #size = 0

  constructor({ maxBytes, declaredFormat }: { maxBytes: number; declaredFormat?: MediaFormat | undefined }) {
    this.#maxBytes = maxBytes
    this.#declaredFormat = declaredFormat
  }

  /** Bytes received so far. */
  get size(): number {
    return this.#size
  }

  /** The container format of the file. Available when `inspect` has ended. */
  get container(): Container {
    return this.#container!
  }

  /** Passes the bytes on. @throws AppError as soon as they are too many or not media; also what `bytes` throws. */
  async *inspect(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let head: Uint8Array[] = []
    for await (const chunk of bytes) {
      this.#count(chunk)
      if (this.#container) {
        yield chunk
      } else {
        head.push(chunk)
        if (this.#size >= HEAD_BYTES) {
          this.#container = await this.#identify(head)
          yield* head
          head = []
        }
      }
    }
    if (this.#container) return
    this.#container = await this.#identify(head)
    yield* head
  }

  #count(chunk: Uint8Array): void {
    this.#size += chunk.length
    if (this.#size > this.#maxBytes) {
      throw new AppError('media_too_large', { message: `A file may have at most ${this.#maxBytes} bytes.` })
    }
  }

  async #identify(head: Uint8Array[]): Promise<Container> {
    if (this.#size === 0) throw invalidField('file', 'is empty')
    const container = await detectContainer(Buffer.concat(head).subarray(0, HEAD_BYTES))
    if (!container) {
      throw new AppError('media_refused', {
        fields: { file: ['is not an image, audio or video file that browsers play'] },
      })
    }
    chooseFormat(container, this.#declaredFormat)
    return container
  }
}

/**
 * The declared format of a file, or the first that its container allows if none is declared.
 * @throws AppError `media_mismatch` if the container does not allow the declared format.
 */
export function chooseFormat({ formats }: Container, declaredFormat: MediaFormat | undefined): MediaFormat {
  if (declaredFormat === undefined) return formats[0]
  if (formats.includes(declaredFormat)) return declaredFormat
  throw new AppError('media_mismatch', { fields: { media_format: [`must be ${formats.join(' or ')}`] } })
}
