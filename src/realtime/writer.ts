import type { Duplex } from 'node:stream'
import type { Clock } from '../clock.ts'

/** Where frames leave: one connection, as the writer sees it. */
export interface Outlet {
  readonly stream: Duplex
  /** Set by the writer while frames of this tick are gathered. */
  corked: boolean
  /** Cuts the connection off without a goodbye. */
  terminate(): void
}

/** How long a reader may stay over the limit, and how far beyond it is over at once. */
const PATIENCE_MS = 5_000
const HOPELESS_FACTOR = 8

/**
 * Writes frames to sockets: each is corked on its first frame of a tick and uncorked once at its end, so that a burst
 * is one system call per socket. What is still buffered after that tells a slow reader from a busy moment.
 */
export class Writer {
  readonly #maxBufferedBytes: number
  readonly #clock: Clock
  readonly #slowSince = new Map<Outlet, number>()
  #dirty: Outlet[] = []
  readonly #flush = () => this.#uncorkAll()

  /** @param maxBufferedBytes what may wait for a reader for 5 s, or eight times that at once, before it is dropped. */
  constructor(maxBufferedBytes: number, clock: Clock) {
    this.#maxBufferedBytes = maxBufferedBytes
    this.#clock = clock
  }

  write(outlet: Outlet, frame: Buffer): void {
    if (!outlet.corked) {
      outlet.corked = true
      outlet.stream.cork()
      if (this.#dirty.length === 0) setImmediate(this.#flush)
      this.#dirty.push(outlet)
    }
    outlet.stream.write(frame)
  }

  /** Drops the readers that have been slow for too long. To be called about once a second. */
  sweep(): void {
    const now = this.#clock.now()
    for (const [outlet, since] of this.#slowSince) {
      if (outlet.stream.destroyed || outlet.stream.writableLength <= this.#maxBufferedBytes) {
        this.#slowSince.delete(outlet)
      } else if (now - since >= PATIENCE_MS) {
        this.#drop(outlet)
      }
    }
  }

  #uncorkAll(): void {
    const dirty = this.#dirty
    this.#dirty = []
    for (const outlet of dirty) {
      outlet.corked = false
      outlet.stream.uncork()
      if (outlet.stream.writableLength > this.#maxBufferedBytes) this.#judge(outlet)
    }
  }

  #judge(outlet: Outlet): void {
    if (outlet.stream.writableLength > this.#maxBufferedBytes * HOPELESS_FACTOR) this.#drop(outlet)
    else if (!this.#slowSince.has(outlet)) this.#slowSince.set(outlet, this.#clock.now())
  }

  #drop(outlet: Outlet): void {
    this.#slowSince.delete(outlet)
    outlet.terminate()
  }
}
