import { randomBytes } from 'node:crypto'
import { Latencies, pool, until } from './measure.ts'
import type { Client, Subject } from './subjects/subject.ts'

const ID_LENGTH = 12

/** Bytes of a copy before it is encoded in Base64, which makes 344 characters. */
const COPY_BYTES = 258

/** Random, as ciphertext is: it does not compress. */
const CONTENTS = Array.from({ length: 64 }, () => randomCopy())
const CONTENT_PREFIX = Buffer.from('"content":"')

/** The members of a conversation. The first one sends. */
export interface Group {
  conversation: string
  clients: Client[]
  recipients: string[]
}

/** Tracks undelivered messages by the first characters of their contents. */
export class Traffic {
  readonly acks: Latencies
  readonly #undelivered = new Map<string, number>()
  #next = 0
  acked = 0

  constructor(acks = new Latencies()) {
    this.acks = acks
  }

  listen({ clients }: Group): void {
    for (const client of clients) client.onEvent((frame) => this.#delivered(frame))
  }

  /**
   * Sends a message to a group, and resolves when it is acknowledged. Latency is measured from `since`. The start of the content is
   * replaced.
   */
  async send(
    { conversation, clients, recipients }: Group,
    since = performance.now(),
    content = contentFor(this.#next),
  ): Promise<void> {
    const id = String(this.#next++).padStart(ID_LENGTH, '0')
    this.#undelivered.set(id, recipients.length)
    await (clients[0] as Client).send(conversation, recipients, id + content.slice(ID_LENGTH))
    this.acked += 1
    this.acks.add(performance.now() - since)
  }

  /** Waits for undelivered copies. @returns how many were lost. */
  async lost(): Promise<number> {
    await until(() => this.#undelivered.size === 0, 5_000)
    return [...this.#undelivered.values()].reduce((sum, copies) => sum + copies, 0)
  }

  #delivered(frame: Buffer): void {
    const at = frame.indexOf(CONTENT_PREFIX)
    if (at < 0) return
    const start = at + CONTENT_PREFIX.length
    const id = frame.toString('latin1', start, start + ID_LENGTH)
    const remaining = (this.#undelivered.get(id) ?? 0) - 1
    if (remaining > 0) this.#undelivered.set(id, remaining)
    else this.#undelivered.delete(id)
  }
}

/** A random copy of 344 characters. */
export function randomCopy(): string {
  return randomBytes(COPY_BYTES).toString('base64')
}

function contentFor(index: number): string {
  return CONTENTS[index % CONTENTS.length] as string
}

/** Connects users and starts conversations of them. */
export async function startGroups(subject: Subject, count: number, members: number): Promise<Group[]> {
  const clients = await pool(count * members, 16, (user) => subject.connect(user))
  return pool(count, 4, async (i) => {
    const own = clients.slice(i * members, (i + 1) * members)
    return {
      conversation: await subject.startConversation(own),
      clients: own,
      recipients: own.map(({ userId }) => userId),
    }
  })
}

/** Tracks the messages to these groups from now on. */
export function listenTo(groups: readonly Group[], acks?: Latencies): Traffic {
  const traffic = new Traffic(acks)
  for (const group of groups) traffic.listen(group)
  return traffic
}

export function closeAll(groups: Group[]): void {
  for (const { clients } of groups) for (const client of clients) client.close()
}
