import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds, Latencies, pool, until } from '../measure.ts'
import type { Effort, Figures, Report } from '../result.ts'
import type { Client, Subject } from '../subjects/subject.ts'

const CONTENT = 'y'.repeat(344)
const KEY_LENGTH = 12
const CONTENT_MARK = Buffer.from('"content":"')

/** People who share a talk; the first of them writes. */
interface Group {
  talk: string
  clients: Client[]
  recipients: string[]
}

/** What is on its way: each message is known by the first characters of its content. */
class Traffic {
  readonly acks = new Latencies()
  readonly #missing = new Map<string, number>()
  #next = 0
  acked = 0

  listen({ clients }: Group): void {
    for (const client of clients) client.onEvent((frame) => this.#delivered(frame))
  }

  /** Sends a message to a group; resolves when it is acknowledged. `since` is when it should have been sent. */
  async send({ talk, clients, recipients }: Group, since = performance.now()): Promise<void> {
    const key = String(this.#next++).padStart(KEY_LENGTH, '0')
    this.#missing.set(key, recipients.length)
    await (clients[0] as Client).send(talk, recipients, key + CONTENT.slice(KEY_LENGTH))
    this.acked += 1
    this.acks.add(performance.now() - since)
  }

  /** Waits for what is still on its way; what is missing then was lost. */
  async lost(): Promise<number> {
    await until(() => this.#missing.size === 0, 5_000)
    return [...this.#missing.values()].reduce((sum, copies) => sum + copies, 0)
  }

  #delivered(frame: Buffer): void {
    const at = frame.indexOf(CONTENT_MARK)
    if (at < 0) return
    const start = at + CONTENT_MARK.length
    const key = frame.toString('latin1', start, start + KEY_LENGTH)
    const missing = (this.#missing.get(key) ?? 0) - 1
    if (missing > 0) this.#missing.set(key, missing)
    else this.#missing.delete(key)
  }
}

/** Durable private messages, a fixed number in flight. */
export async function measurePairs(subject: Subject, effort: Effort, report: Report): Promise<void> {
  const groups = await startGroups(subject, 100, 2)
  for (const inFlight of [1, 20, 200]) {
    const traffic = listenTo(groups)
    const figures = await closedLoop(
      subject,
      effort,
      groups.slice(0, Math.min(100, inFlight)),
      inFlight,
      traffic,
    )
    report({ scenario: 'private sends', size: `${inFlight} in flight`, subject: subject.name, figures })
  }
  for (const rate of [500, 2_000]) {
    const traffic = listenTo(groups)
    const figures = await openLoop(subject, effort, groups, rate, traffic)
    report({ scenario: 'private sends', size: `at ${rate}/s`, subject: subject.name, figures })
  }
  closeAll(groups)
}

/** Durable messages to groups of several sizes. */
export async function measureGroups(subject: Subject, effort: Effort, report: Report): Promise<void> {
  for (const members of [2, 10, 50, 200]) {
    const groups = await startGroups(subject, Math.min(20, Math.floor(400 / members)), members)
    const traffic = listenTo(groups)
    const figures = await closedLoop(subject, effort, groups, groups.length * 2, traffic)
    const copies = figures['acked/s'] ?? 0
    report({
      scenario: 'group sends',
      size: `${members} members`,
      subject: subject.name,
      figures: { ...figures, 'copies/s': Math.round(copies * members) },
    })
    closeAll(groups)
  }
}

async function closedLoop(
  subject: Subject,
  { seconds }: Effort,
  groups: Group[],
  inFlight: number,
  traffic: Traffic,
): Promise<Figures> {
  const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
  const end = start + seconds * 1000
  await pool(inFlight, inFlight, async (i) => {
    while (performance.now() < end) await traffic.send(groups[i % groups.length] as Group)
  })
  return figuresOf(subject, traffic, cpu, start)
}

/** Sends at a fixed rate, whether or not earlier messages are acknowledged: latency counts from when each was due. */
async function openLoop(
  subject: Subject,
  { seconds }: Effort,
  groups: Group[],
  rate: number,
  traffic: Traffic,
): Promise<Figures> {
  const [cpu, start] = [cpuSeconds(subject.pid), performance.now()]
  const total = rate * seconds
  const sends: Promise<void>[] = []
  while (sends.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * rate) + 1)
    while (sends.length < due) {
      sends.push(
        traffic.send(groups[sends.length % groups.length] as Group, start + (sends.length / rate) * 1000),
      )
    }
    await sleep(1)
  }
  await Promise.all(sends)
  return figuresOf(subject, traffic, cpu, start)
}

async function figuresOf(subject: Subject, traffic: Traffic, cpu: number, start: number): Promise<Figures> {
  const seconds = (performance.now() - start) / 1000
  const used = cpuSeconds(subject.pid) - cpu
  return {
    'acked/s': Math.round(traffic.acked / seconds),
    'p50 ms': traffic.acks.at(0.5),
    'p99 ms': traffic.acks.at(0.99),
    'CPU µs': (used / traffic.acked) * 1e6,
    lost: await traffic.lost(),
  }
}

async function startGroups(subject: Subject, count: number, members: number): Promise<Group[]> {
  const clients = await pool(count * members, 16, (user) => subject.connect(user))
  return pool(count, 4, async (i) => {
    const own = clients.slice(i * members, (i + 1) * members)
    return { talk: await subject.startTalk(own), clients: own, recipients: own.map(({ userId }) => userId) }
  })
}

function listenTo(groups: Group[]): Traffic {
  const traffic = new Traffic()
  for (const group of groups) traffic.listen(group)
  return traffic
}

function closeAll(groups: Group[]): void {
  for (const { clients } of groups) for (const client of clients) client.close()
}
