import type { Node } from '../harness/node.ts'
import type { Journal } from './journal.ts'

const SAMPLE_INTERVAL_MS = 1_000
/** The sample after which a process counts as warmed up. */
const WARM_UP_SAMPLES = 8
const MAX_GROWTH_FACTOR = 2
const ALLOWED_EXTRA_BYTES = 150 * 1_048_576

/** Samples the memory of all nodes, to detect leaks. */
export class MemoryMonitor {
  readonly #nodes: readonly Node[]
  readonly #samples = new Map<number, number[]>()
  readonly #timer: NodeJS.Timeout

  constructor(nodes: readonly Node[]) {
    this.#nodes = nodes
    this.#timer = setInterval(() => this.#sample(), SAMPLE_INTERVAL_MS)
  }

  /** Stops sampling and reports violations. */
  stop(journal: Journal): void {
    clearInterval(this.#timer)
    for (const [pid, samples] of this.#samples) {
      const [warm, last] = [samples[WARM_UP_SAMPLES], samples.at(-1)]
      if (warm === undefined || last === undefined) continue
      journal.counts.set(
        'max. memory, MB',
        Math.max(journal.counts.get('max. memory, MB') ?? 0, Math.round(Math.max(...samples) / 1_048_576)),
      )
      if (last > warm * MAX_GROWTH_FACTOR + ALLOWED_EXTRA_BYTES) {
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
