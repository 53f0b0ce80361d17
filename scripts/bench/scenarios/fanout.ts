import { pool } from '../measure.ts'
import type { BenchOptions, Report } from '../result.ts'
import type { Client, Subject } from '../subjects/subject.ts'
import { measureBursts } from './bursts.ts'

const MEMBERS = 200
const EVENT_NAME = Buffer.from('start_typing')

/** Measures broadcasts that are not stored. Each burst starts when the previous one is delivered. */
export async function measureFanout(
  subject: Subject,
  benchOptions: BenchOptions,
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
  const target = {
    receivers: MEMBERS,
    send: () => (clients[0] as Client).broadcast(conversation),
    delivered: () => delivered,
  }
  await measureBursts(subject, benchOptions, target, (size, figures) => {
    report({ scenario: 'fan-out to 200', size, subject: subject.name, figures })
  })
  for (const client of clients) client.close()
}
