import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds, pool, residentKib } from '../measure.ts'
import type { BenchOptions, Report } from '../result.ts'
import type { Client, Subject } from '../subjects/subject.ts'

const USERS = 100

/** Measures connecting and joining one topic, and the memory of idle connections. Requires a new process. */
export async function measureConnections(
  subject: Subject,
  { quick }: BenchOptions,
  report: Report,
): Promise<void> {
  // The first connections load code and grow the heap. This must not be counted.
  const warmUp = await pool(200, 64, (i) => subject.connect(i % USERS))
  for (const client of warmUp) client.close()
  await sleep(1_000)
  const before = residentKib(subject.pid)
  const clients: Client[] = []
  for (const connections of quick ? [1_000] : [1_000, 5_000, 10_000]) {
    const added = connections - clients.length
    const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
    clients.push(...(await pool(added, 64, (i) => subject.connect(i % USERS))))
    const [seconds, used] = [(performance.now() - start) / 1000, cpuSeconds(subject.pid) - cpu]
    await sleep(3_000)
    report({
      scenario: 'idle connections',
      size: String(connections),
      subject: subject.name,
      figures: {
        'connects/s': Math.round(added / seconds),
        'CPU ms': (used / added) * 1000,
        'KB each': (residentKib(subject.pid) - before) / connections,
      },
    })
  }
  for (const client of clients) client.close()
}
