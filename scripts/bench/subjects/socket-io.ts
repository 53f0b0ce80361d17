import { SocketIoWire } from '../socket-io.ts'
import { startChild } from './child.ts'
import { createDatabase } from './postgres.ts'
import type { Client, SubjectKind } from './subject.ts'

/** Socket.IO 4 on PostgreSQL: what people would pick instead. */
export const socketIo: SubjectKind = {
  name: 'socket.io',
  async start() {
    const database = await createDatabase()
    const args = ['--import', 'tsx', 'scripts/bench/subjects/socket-io-server.ts']
    const child = await startChild(args, { DATABASE_URL: database.url })
    return {
      name: 'socket.io',
      pid: child.pid,
      connect: (user) => connect(child.url, `user${user}`),
      async startTalk(clients) {
        const [creator] = clients as SocketIoClient[]
        const talk = (await creator?.emit(
          'start',
          clients.map(({ userId }) => userId),
        )) as string
        await Promise.all((clients as SocketIoClient[]).map((client) => client.emit('join', talk)))
        return talk
      },
      async stop() {
        await child.stop()
        await database.drop()
      },
    }
  },
}

interface SocketIoClient extends Client {
  emit(event: string, ...data: unknown[]): Promise<unknown>
}

async function connect(url: string, userId: string): Promise<SocketIoClient> {
  const wire = await SocketIoWire.open(url, { user: userId })
  return {
    userId,
    onEvent(listener) {
      wire.onEvent = listener
    },
    async send(conversation, recipients, content) {
      const contents = Object.fromEntries(recipients.map((id) => [id, content]))
      const answer = await wire.emit('send', { conversation, contents })
      if (answer !== 'ok') throw new Error(`socket.io answered ${answer}`)
    },
    signal: (talk) => wire.emit('signal', talk),
    emit: (event, ...data) => wire.emit(event, ...data),
    close: () => wire.wire.destroy(),
  }
}
