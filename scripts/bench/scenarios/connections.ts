import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds, pool, residentKib } from '../measure.ts'
import type { Effort, Report } from '../result.ts'
import type { Client, Subject } from '../subjects/subject.ts'

const USERS = 100

/** Connecting and joining one topic, and what the connections cost when they do nothing. Wants a fresh process. */
export async function measureConnections(subject: Subject, { quick }: Effort, report: Report): Promise<void> {
  // The first connections load code and grow the heap once: that is not theirs.
  const warmUp = await pool(200, 64, (i) => subject.connect(i % USERS))
  for (const client of warmUp) client.close()
  await sleep(1_000)
  const before = residentKib(subject.pid)
  const clients: Client[] = []
  for (const connections of quick ? [1_000] : [1_000, 5_000, 10_000]) {
    const more = connections - clients.length
    const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
    clients.push(...(await pool(more, 64, (i) => subject.connect(i % USERS))))
    const [seconds, used] = [(performance.now() - start) / 1000, cpuSeconds(subject.pid) - cpu]
    await sleep(3_000)
    report({
      scenario: 'idle connections',
      size: String(connections),
      subject: subject.name,
      figures: {
        'connects/s': Math.round(more / seconds),
        'CPU ms': (used / more) * 1000,
        'KB each': (residentKib(subject.pid) - before) / connections,
      },
    })
  }
  for (const client of clients) client.close()
}
