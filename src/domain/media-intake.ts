import { AppError, invalidField } from '../errors.ts'
import { type Container, detectContainer, HEAD_BYTES, type MediaFormat } from './media-types.ts'

/** A file on its way in: judged by its first bytes before any is let through, and counted to the last. */
export class Intake {
  readonly #maxBytes: number
  readonly #claimed: MediaFormat | undefined
  #container: Container | undefined
  #size = 0

  constructor({ maxBytes, claimed }: { maxBytes: number; claimed?: MediaFormat | undefined }) {
    this.#maxBytes = maxBytes
    this.#claimed = claimed
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size
  }

  /** What the file is. To be asked after its end. */
  get container(): Container {
    return this.#container!
  }

  /** The bytes again. @throws AppError as soon as they are too many or not those of media; what `bytes` throws, too. */
  async *check(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let head: Uint8Array[] = []
    for await (const chunk of bytes) {
      this.#count(chunk)
      if (this.#container) {
        yield chunk
      } else {
        head.push(chunk)
        if (this.#size >= HEAD_BYTES) {
          this.#container = await this.#judge(head)
          yield* head
          head = []
        }
      }
    }
    if (this.#container) return
    this.#container = await this.#judge(head)
    yield* head
  }

  #count(chunk: Uint8Array): void {
    this.#size += chunk.length
    if (this.#size > this.#maxBytes) {
      throw new AppError('media_too_large', { message: `A file may have at most ${this.#maxBytes} bytes.` })
    }
  }

  async #judge(chunks: Uint8Array[]): Promise<Container> {
    if (this.#size === 0) throw invalidField('file', 'is empty')
    const container = await detectContainer(Buffer.concat(chunks).subarray(0, HEAD_BYTES))
    if (!container) {
      throw new AppError('media_refused', {
        fields: { file: ['is not an image, a sound or a film that browsers play'] },
      })
    }
    chooseFormat(container, this.#claimed)
    return container
  }
}

/**
 * What a file is taken for: what its sender says, where it can be that.
 * @throws AppError `media_mismatch` where it cannot.
 */
export function chooseFormat({ formats }: Container, claimed: MediaFormat | undefined): MediaFormat {
  if (claimed === undefined) return formats[0]
  if (formats.includes(claimed)) return claimed
  throw new AppError('media_mismatch', { fields: { media_format: [`must be ${formats.join(' or ')}`] } })
}
