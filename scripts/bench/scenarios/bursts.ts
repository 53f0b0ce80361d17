import { setImmediate as tick } from 'node:timers/promises'
import { cpuSeconds, Latencies, until } from '../measure.ts'
import type { BenchOptions, Figures } from '../result.ts'
import type { Subject } from '../subjects/subject.ts'

/** What is sent in bursts to some receivers. */
export interface BurstTarget {
  receivers: number
  /** Sends one. Resolves when it is acknowledged. */
  send(): Promise<unknown>
  /** How many were delivered so far, to all receivers. */
  delivered(): number
}

/** Measures bursts of 1, 8 and 64. Each starts when the previous one is delivered. */
export async function measureBursts(
  subject: Subject,
  { seconds }: BenchOptions,
  { receivers, send, delivered }: BurstTarget,
  report: (size: string, figures: Figures) => void,
): Promise<void> {
  for (const burst of [1, 8, 64]) {
    const rounds = new Latencies()
    const [cpu, start, before] = [cpuSeconds(subject.pid), performance.now(), delivered()]
    let expected = before
    while (performance.now() - start < seconds * 1000) {
      const since = performance.now()
      expected += burst * receivers
      await Promise.all(Array.from({ length: burst }, send))
      while (delivered() < expected && performance.now() - since < 5_000) await tick()
      rounds.add(performance.now() - since)
    }
    const elapsed = (performance.now() - start) / 1000
    const used = cpuSeconds(subject.pid) - cpu
    await until(() => delivered() >= expected, 5_000)
    const received = delivered() - before
    report(`${burst} in a burst`, {
      'deliveries/s': Math.round(received / elapsed),
      'p50 ms': rounds.percentile(0.5),
      'p99 ms': rounds.percentile(0.99),
      'CPU µs': (used / received) * 1e6,
      lost: expected - delivered(),
    })
  }
}
