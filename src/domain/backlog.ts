import { busy } from './persist.ts'

/** How much may wait to be stored before more is turned away. */
export interface BacklogLimits {
  changes: number
  /** Characters of message contents. */
  size: number
}

/** Counts what waits to be stored. */
export class Backlog {
  readonly #limits: BacklogLimits
  #changes = 0
  #size = 0
  #waitingForEnd: (() => void)[] = []

  constructor(limits: BacklogLimits) {
    this.#limits = limits
  }

  /** @throws AppError `busy` when too much waits already. */
  admit(size: number): void {
    if (this.#changes >= this.#limits.changes || this.#size + size > this.#limits.size) throw busy()
    this.#changes++
    this.#size += size
  }

  /** Takes back what was admitted, once it is stored or refused. */
  release(size: number): void {
    this.#size -= size
    if (--this.#changes > 0) return
    for (const resolve of this.#waitingForEnd.splice(0)) resolve()
  }

  /** Resolves when nothing waits any more. */
  ended(): Promise<void> {
    if (this.#changes === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waitingForEnd.push(resolve))
  }
}
