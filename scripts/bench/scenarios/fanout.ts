import { setImmediate as tick } from 'node:timers/promises'
import { cpuSeconds, Latencies, pool, until } from '../measure.ts'
import type { Effort, Report } from '../result.ts'
import type { Client, Subject } from '../subjects/subject.ts'

const MEMBERS = 200
const MARK = Buffer.from('start_typing')

/** Something that is not kept, told to everyone in a talk: the next burst leaves when the last has reached all. */
export async function measureFanout(subject: Subject, { seconds }: Effort, report: Report): Promise<void> {
  const clients = await pool(MEMBERS, 16, (user) => subject.connect(user))
  const talk = await subject.startTalk(clients)
  let delivered = 0
  for (const client of clients) {
    client.onEvent((frame) => {
      if (frame.includes(MARK)) delivered += 1
    })
  }
  for (const burst of [1, 8, 64]) {
    const rounds = new Latencies()
    const [cpu, start, before] = [cpuSeconds(subject.pid), performance.now(), delivered]
    let expected = delivered
    while (performance.now() - start < seconds * 1000) {
      const since = performance.now()
      expected += burst * MEMBERS
      await Promise.all(Array.from({ length: burst }, () => (clients[0] as Client).signal(talk)))
      while (delivered < expected && performance.now() - since < 5_000) await tick()
      rounds.add(performance.now() - since)
    }
    const elapsed = (performance.now() - start) / 1000
    const used = cpuSeconds(subject.pid) - cpu
    await until(() => delivered >= expected, 5_000)
    report({
      scenario: 'fan-out to 200',
      size: `${burst} in a burst`,
      subject: subject.name,
      figures: {
        'deliveries/s': Math.round((delivered - before) / elapsed),
        'p50 ms': rounds.at(0.5),
        'p99 ms': rounds.at(0.99),
        'CPU µs': (used / (delivered - before)) * 1e6,
        lost: expected - delivered,
      },
    })
  }
  for (const client of clients) client.close()
}
