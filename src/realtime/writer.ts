import type { Duplex } from 'node:stream'
import { Run } from './run.ts'
import type { Reader, SlowReaders } from './slow-readers.ts'

/** Where frames leave: one connection, as the writer sees it. */
export interface Outlet extends Reader {
  readonly stream: Duplex
  /** What is gathered for it in this tick: the writer's. */
  pending: Run | undefined
}

/**
 * Writes frames to sockets: those of one tick are gathered and leave together at its end, so that a burst is one system
 * call per socket, of bytes that are put together once for all who get the same. What is still buffered after that tells
 * a slow reader from a busy moment.
 */
export class Writer {
  readonly #slowReaders: SlowReaders
  #dirty: Outlet[] = []
  #start = new Run()
  readonly #flushAll = () => this.#endTick()

  constructor(slowReaders: SlowReaders) {
    this.#slowReaders = slowReaders
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
    this.#slowReaders.judge(outlet)
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
}
