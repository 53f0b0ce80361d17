import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from 'postgres'

/** Kernel clock ticks per second (USER_HZ). The same on all Linux systems that Node supports. */
const TICKS_PER_SECOND = 100

/** User and system CPU seconds of a process (proc(5), `stat`). */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** CPU seconds of the processes that serve the connections to the database of `sql`, which must run on this machine. */
export async function backendCpuSeconds(sql: Sql): Promise<number> {
  const backends = await sql`select pid from pg_stat_activity where datname = current_database()`
  return backends.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0)
}

/** Resident memory of a process in KiB. */
export function residentKib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

/** Collects latencies in milliseconds. */
export class Latencies {
  readonly #values: number[] = []

  add(ms: number): void {
    this.#values.push(ms)
  }

  /** Returns a percentile. @param fraction 0.5 is the median. @returns NaN if there are no values. */
  percentile(fraction: number): number {
    const sorted = this.#values.toSorted((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN
  }
}

/** Runs `work` for each index below `count`, at most `width` concurrently. @returns the results in order. */
export async function pool<T>(
  count: number,
  width: number,
  work: (index: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = new Array(count)
  let next = 0
  const worker = async () => {
    while (next < count) {
      const index = next++
      results[index] = await work(index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker))
  return results
}

/** Waits until `isTrue` returns true, at most `ms`. @returns its last value. */
export async function until(isTrue: () => boolean, ms: number): Promise<boolean> {
  const limit = performance.now() + ms
  while (!isTrue() && performance.now() < limit) await sleep(5)
  return isTrue()
}
