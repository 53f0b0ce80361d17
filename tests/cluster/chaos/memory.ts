import type { Node } from '../rig/node.ts'
import type { Journal } from './journal.ts'

const SAMPLE_MS = 1_000
/** A process has warmed up after so many samples. */
const WARM_UP = 8
const GROWTH = 2
const SPARE_BYTES = 150 * 1_048_576

/** Watches that no process grows and grows. */
export class MemoryWatch {
  readonly #nodes: readonly Node[]
  readonly #samples = new Map<number, number[]>()
  readonly #timer: NodeJS.Timeout

  constructor(nodes: readonly Node[]) {
    this.#nodes = nodes
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS)
  }

  /** Ends the watch. */
  stop(journal: Journal): void {
    clearInterval(this.#timer)
    for (const [pid, samples] of this.#samples) {
      const [warm, last] = [samples[WARM_UP], samples.at(-1)]
      if (warm === undefined || last === undefined) continue
      journal.counts.set(
        `MB at most`,
        Math.max(journal.counts.get('MB at most') ?? 0, Math.round(Math.max(...samples) / 1_048_576)),
      )
      if (last > warm * GROWTH + SPARE_BYTES) {
        journal.violation(`process ${pid} grew from ${warm} to ${last} bytes`)
      }
    }
  }

  #sample(): void {
    for (const node of this.#nodes) {
      if (!node.isRunning) continue
      const samples = this.#samples.get(node.pid) ?? []
      samples.push(node.memory)
      this.#samples.set(node.pid, samples)
    }
  }
}
