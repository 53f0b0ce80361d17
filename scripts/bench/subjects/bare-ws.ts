import { randomUUID } from 'node:crypto'
import { PhoenixClient } from '../phoenix-client.ts'
import { startChild } from './child.ts'
import type { Client, SubjectKind } from './subject.ts'

/** A bare `ws` server without users, rules or database. */
export const bareWs: SubjectKind = {
  name: 'bare ws',
  async start() {
    const child = await startChild(['--import', 'tsx', 'scripts/bench/subjects/bare-ws-server.ts'], {})
    return {
      name: 'bare ws',
      pid: child.pid,
      connect: (user) => connect(child.url, `user${user}`),
      async startConversation(clients) {
        const conversation = randomUUID()
        await Promise.all(
          (clients as BareWsClient[]).map((client) => client.join(`conversation:${conversation}`)),
        )
        return conversation
      },
      stop: () => child.stop(),
    }
  },
}

interface BareWsClient extends Client {
  join(topic: string): Promise<unknown>
}

async function connect(url: string, userId: string): Promise<BareWsClient> {
  const client = await PhoenixClient.open(url)
  await client.join(`user:${userId}`, {})
  return {
    userId,
    onEvent(listener) {
      client.onEvent = listener
    },
    send: (conversation, recipients, content) =>
      client.push(`conversation:${conversation}`, 'send_message', {
        encrypted_messages: Object.fromEntries(recipients.map((id) => [id, content])),
      }),
    broadcast: (conversation) =>
      client.push(`conversation:${conversation}`, 'start_typing', { user_id: userId }),
    join: (topic) => client.join(topic, {}),
    close: () => client.webSocket.destroy(),
  }
}
