import { Latencies, pool, until } from './measure.ts'
import type { Client, Subject } from './subjects/subject.ts'

const CONTENT = 'y'.repeat(344)
const KEY_LENGTH = 12
const CONTENT_MARK = Buffer.from('"content":"')

/** People who share a talk; the first of them writes. */
export interface Group {
  talk: string
  clients: Client[]
  recipients: string[]
}

/** What is on its way: each message is known by the first characters of its content. */
export class Traffic {
  readonly acks: Latencies
  readonly #missing = new Map<string, number>()
  #next = 0
  acked = 0

  constructor(acks = new Latencies()) {
    this.acks = acks
  }

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

/** Connects people, in groups that share a talk. */
export async function startGroups(subject: Subject, count: number, members: number): Promise<Group[]> {
  const clients = await pool(count * members, 16, (user) => subject.connect(user))
  return pool(count, 4, async (i) => {
    const own = clients.slice(i * members, (i + 1) * members)
    return { talk: await subject.startTalk(own), clients: own, recipients: own.map(({ userId }) => userId) }
  })
}

/** What is to come to these groups from now on. */
export function listenTo(groups: readonly Group[], acks?: Latencies): Traffic {
  const traffic = new Traffic(acks)
  for (const group of groups) traffic.listen(group)
  return traffic
}

export function closeAll(groups: Group[]): void {
  for (const { clients } of groups) for (const client of clients) client.close()
}
