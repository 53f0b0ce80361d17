import type { Clock } from '../clock.ts'

/** Someone bytes wait for. */
export interface Reader {
  /** Bytes that were sent and not yet taken; none for one that is gone. */
  readonly waitingBytes: number
  /** Cuts the connection off without a goodbye. */
  terminate(): void
}

/** How long a reader may stay over the limit, and how far beyond it is over at once. */
const PATIENCE_MS = 5_000
const HOPELESS_FACTOR = 8

/** Cuts off those who read too slowly, so that what waits for them does not fill the memory. */
export class SlowReaders {
  readonly #maxBytes: number
  readonly #clock: Clock
  readonly #slowSince = new Map<Reader, number>()

  /** @param maxBytes what may wait for a reader for 5 s, or eight times that at once. */
  constructor(maxBytes: number, clock: Clock) {
    this.#maxBytes = maxBytes
    this.#clock = clock
  }

  /** Looks at a reader after something was sent to it. */
  judge(reader: Reader): void {
    const { waitingBytes } = reader
    if (waitingBytes <= this.#maxBytes) return
    if (waitingBytes > this.#maxBytes * HOPELESS_FACTOR) this.#drop(reader)
    else if (!this.#slowSince.has(reader)) this.#slowSince.set(reader, this.#clock.now())
  }

  /** Drops those who have been slow for too long. To be called about once a second. */
  sweep(): void {
    const now = this.#clock.now()
    for (const [reader, since] of this.#slowSince) {
      if (reader.waitingBytes <= this.#maxBytes) this.#slowSince.delete(reader)
      else if (now - since >= PATIENCE_MS) this.#drop(reader)
    }
  }

  #drop(reader: Reader): void {
    this.#slowSince.delete(reader)
    reader.terminate()
  }
}
