import type { Duplex } from 'node:stream'
import { FrameBatch } from './frame-batch.ts'
import type { Consumer, SlowConsumers } from './slow-consumers.ts'

/** A connection, as the writer sees it. */
export interface WriteTarget extends Consumer {
  readonly stream: Duplex
  /** The frames of this tick. Only the writer sets it. */
  pending: FrameBatch | undefined
}

/**
 * Writes frames to connections. It collects the frames of one tick and writes them at its end: a burst costs one system call
 * per connection, and connections that receive the same frames share one buffer. What is still buffered after that indicates a
 * slow consumer.
 */
export class Writer {
  readonly #slowConsumers: SlowConsumers
  #targets: WriteTarget[] = []
  #emptyBatch = new FrameBatch()
  readonly #onTickEnd = () => this.#flushAll()

  constructor(slowConsumers: SlowConsumers) {
    this.#slowConsumers = slowConsumers
  }

  write(target: WriteTarget, frame: Buffer): void {
    if (target.pending) target.pending.targetCount -= 1
    else this.#schedule(target)
    const batch = (target.pending ?? this.#emptyBatch).append(frame)
    batch.targetCount += 1
    target.pending = batch
  }

  /** Writes the pending frames of one target immediately. */
  flush(target: WriteTarget): void {
    const { pending, stream } = target
    if (!pending) return
    target.pending = undefined
    if (!stream.writable) return
    const { chunks } = pending
    if (chunks.length > 1) stream.cork()
    for (const chunk of chunks) stream.write(chunk)
    if (chunks.length > 1) stream.uncork()
    this.#slowConsumers.check(target)
  }

  #schedule(target: WriteTarget): void {
    if (this.#targets.length === 0) setImmediate(this.#onTickEnd)
    this.#targets.push(target)
  }

  #flushAll(): void {
    const targets = this.#targets
    this.#targets = []
    this.#emptyBatch = new FrameBatch()
    for (const target of targets) this.flush(target)
  }
}
