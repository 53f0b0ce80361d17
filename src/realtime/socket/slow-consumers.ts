import type { Clock } from '../../clock.ts'

/** A client that data is sent to. */
export interface Consumer {
  /** Bytes that were sent but not yet received; 0 for a client that is gone. */
  readonly bufferedBytes: number
  /** Closes the connection without a close frame. */
  terminate(): void
}

/** How long a consumer may exceed the limit. */
const SLOW_TIMEOUT_MS = 5_000
/** A consumer that exceeds the limit by this factor is disconnected immediately. */
const IMMEDIATE_FACTOR = 8

/** Disconnects consumers that read too slowly, to bound the memory that their data takes. */
export class SlowConsumers {
  readonly #maxBytes: number
  readonly #clock: Clock
  readonly #slowSince = new Map<Consumer, number>()

  /** @param maxBytes how much may be buffered for a consumer. It may be exceeded for 5 s, and up to eightfold. */
  constructor(maxBytes: number, clock: Clock) {
    this.#maxBytes = maxBytes
    this.#clock = clock
  }

  /** Checks a consumer after data was sent to it. */
  check(consumer: Consumer): void {
    const { bufferedBytes } = consumer
    if (bufferedBytes <= this.#maxBytes) return
    if (bufferedBytes > this.#maxBytes * IMMEDIATE_FACTOR) this.#disconnect(consumer)
    else if (!this.#slowSince.has(consumer)) this.#slowSince.set(consumer, this.#clock.now())
  }

  /** Disconnects the consumers that have been slow for too long. Call it about once a second. */
  sweep(): void {
    const now = this.#clock.now()
    for (const [consumer, since] of this.#slowSince) {
      if (consumer.bufferedBytes <= this.#maxBytes) this.#slowSince.delete(consumer)
      else if (now - since >= SLOW_TIMEOUT_MS) this.#disconnect(consumer)
    }
  }

  #disconnect(consumer: Consumer): void {
    this.#slowSince.delete(consumer)
    consumer.terminate()
  }
}
