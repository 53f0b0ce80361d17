import type { Duplex } from 'node:stream'
import type { Clock } from '../clock.ts'
import { Run } from './run.ts'

/** Where frames leave: one connection, as the writer sees it. */
export interface Outlet {
  readonly stream: Duplex
  /** What is gathered for it in this tick: the writer's. */
  pending: Run | undefined
  /** Cuts the connection off without a goodbye. */
  terminate(): void
}

/** How long a reader may stay over the limit, and how far beyond it is over at once. */
const PATIENCE_MS = 5_000
const HOPELESS_FACTOR = 8

/**
 * Writes frames to sockets: those of one tick are gathered and leave together at its end, so that a burst is one system
 * call per socket, of bytes that are put together once for all who get the same. What is still buffered after that tells
 * a slow reader from a busy moment.
 */
export class Writer {
  readonly #maxBufferedBytes: number
  readonly #clock: Clock
  readonly #slowSince = new Map<Outlet, number>()
  #dirty: Outlet[] = []
  #start = new Run()
  readonly #flushAll = () => this.#endTick()

  /** @param maxBufferedBytes what may wait for a reader for 5 s, or eight times that at once, before it is dropped. */
  constructor(maxBufferedBytes: number, clock: Clock) {
    this.#maxBufferedBytes = maxBufferedBytes
    this.#clock = clock
  }

  write(outlet: Outlet, frame: Buffer): void {
    if (outlet.pending) outlet.pending.readers -= 1
    else this.#gather(outlet)
    const run = (outlet.pending ?? this.#start).followedBy(frame)
    run.readers += 1
    outlet.pending = run
  }

  /** Writes what is gathered for one outlet: for something that must come after it. */
  flush(outlet: Outlet): void {
    const { pending, stream } = outlet
    if (!pending) return
    outlet.pending = undefined
    if (!stream.writable) return
    const { chunks } = pending
    if (chunks.length > 1) stream.cork()
    for (const chunk of chunks) stream.write(chunk)
    if (chunks.length > 1) stream.uncork()
    if (stream.writableLength > this.#maxBufferedBytes) this.#judge(outlet)
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

  #gather(outlet: Outlet): void {
    if (this.#dirty.length === 0) setImmediate(this.#flushAll)
    this.#dirty.push(outlet)
  }

  #endTick(): void {
    const dirty = this.#dirty
    this.#dirty = []
    this.#start = new Run()
    for (const outlet of dirty) this.flush(outlet)
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
