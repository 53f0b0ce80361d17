import { randomUUID } from 'node:crypto'
import { PhoenixWire } from '../phoenix.ts'
import { startChild } from './child.ts'
import type { Client, SubjectKind } from './subject.ts'

/** A bare `ws` server without users, rules or database. */
export const floor: SubjectKind = {
  name: 'bare ws',
  async start() {
    const child = await startChild(['--import', 'tsx', 'scripts/bench/subjects/floor-server.ts'], {})
    return {
      name: 'bare ws',
      pid: child.pid,
      connect: (user) => connect(child.url, `user${user}`),
      async startTalk(clients) {
        const talk = randomUUID()
        await Promise.all((clients as FloorClient[]).map((client) => client.join(`conversation:${talk}`)))
        return talk
      },
      stop: () => child.stop(),
    }
  },
}

interface FloorClient extends Client {
  join(topic: string): Promise<unknown>
}

async function connect(url: string, userId: string): Promise<FloorClient> {
  const wire = await PhoenixWire.open(url)
  await wire.join(`user:${userId}`, {})
  return {
    userId,
    onEvent(listener) {
      wire.onEvent = listener
    },
    send: (talk, recipients, content) =>
      wire.push(`conversation:${talk}`, 'send_message', {
        encrypted_messages: Object.fromEntries(recipients.map((id) => [id, content])),
      }),
    signal: (talk) => wire.push(`conversation:${talk}`, 'start_typing', { user_id: userId }),
    join: (topic) => wire.join(topic, {}),
    close: () => wire.wire.destroy(),
  }
}
