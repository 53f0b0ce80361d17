import { setImmediate as tick } from 'node:timers/promises'
import { cpuSeconds, Latencies, pool, until } from '../measure.ts'
import type { BenchOptions, Report } from '../result.ts'
import type { Client, Subject } from '../subjects/subject.ts'

const MEMBERS = 200
const EVENT_NAME = Buffer.from('start_typing')

/** Measures broadcasts that are not stored. Each burst starts when the previous one is delivered. */
export async function measureFanout(
  subject: Subject,
  { seconds }: BenchOptions,
  report: Report,
): Promise<void> {
  const clients = await pool(MEMBERS, 16, (user) => subject.connect(user))
  const conversation = await subject.startConversation(clients)
  let delivered = 0
  for (const client of clients) {
    client.onEvent((frame) => {
      if (frame.includes(EVENT_NAME)) delivered += 1
    })
  }
  for (const burst of [1, 8, 64]) {
    const rounds = new Latencies()
    const [cpu, start, before] = [cpuSeconds(subject.pid), performance.now(), delivered]
    let expected = delivered
    while (performance.now() - start < seconds * 1000) {
      const since = performance.now()
      expected += burst * MEMBERS
      await Promise.all(Array.from({ length: burst }, () => (clients[0] as Client).broadcast(conversation)))
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
        'p50 ms': rounds.percentile(0.5),
        'p99 ms': rounds.percentile(0.99),
        'CPU µs': (used / (delivered - before)) * 1e6,
        lost: expected - delivered,
      },
    })
  }
  for (const client of clients) client.close()
}
