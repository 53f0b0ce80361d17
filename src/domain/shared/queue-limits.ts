import { busy } from './retry-until-committed.ts'

/** The capacity of a queue. */
export interface QueueCapacity {
  changes: number
  /** Characters of message contents. */
  size: number
}

/** Counts the queued changes, and rejects changes beyond the capacity. */
export class QueueLimits {
  readonly #capacity: QueueCapacity
  #changes = 0
  #size = 0
  #drainWaiters: (() => void)[] = []

  constructor(capacity: QueueCapacity) {
    this.#capacity = capacity
  }

  /** Counts a change. @throws AppError `busy` when it exceeds the capacity. */
  admit(size: number): void {
    if (this.#changes >= this.#capacity.changes || this.#size + size > this.#capacity.size) throw busy()
    this.#changes++
    this.#size += size
  }

  /** Removes a change from the count once it is stored or rejected. */
  release(size: number): void {
    this.#size -= size
    if (--this.#changes > 0) return
    for (const resolve of this.#drainWaiters.splice(0)) resolve()
  }

  /** Resolves when no change is waiting. */
  drained(): Promise<void> {
    if (this.#changes === 0) return Promise.resolve()
    return new Promise((resolve) => this.#drainWaiters.push(resolve))
  }
}
