import { SocketIoClient } from '../socket-io-client.ts'
import { startChild } from './child.ts'
import { createDatabase } from './postgres.ts'
import type { Client, RoomClient, RoomSubject, Subject, SubjectKind } from './subject.ts'

/** Socket.IO 4 on PostgreSQL, the usual alternative. */
export const socketIo: SubjectKind<Subject & RoomSubject> = {
  name: 'socket.io',
  async start() {
    const database = await createDatabase()
    const args = ['--import', 'tsx', 'scripts/bench/subjects/socket-io-server.ts']
    const child = await startChild(args, { DATABASE_URL: database.url })
    return {
      name: 'socket.io',
      pid: child.pid,
      connect: (user) => connect(child.url, `user${user}`),
      async startConversation(clients) {
        const [creator] = clients as BenchClient[]
        const conversation = (await creator?.emit(
          'start',
          clients.map(({ userId }) => userId),
        )) as string
        await Promise.all((clients as BenchClient[]).map((client) => client.emit('join', conversation)))
        return conversation
      },
      async createRoom(users) {
        const client = await connect(child.url, 'creator')
        const id = await client.emit(
          'start',
          users.map((user) => `user${user}`),
        )
        client.close()
        return id as string
      },
      connectToRoom: (user, roomId) => connectToRoom(child.url, `user${user}`, roomId),
      async stop() {
        await child.stop()
        await database.drop()
      },
    }
  },
}

const ROOM_MESSAGE = Buffer.from('"room_message"')

async function connectToRoom(url: string, userId: string, room: string): Promise<RoomClient> {
  const client = await SocketIoClient.open(url, { user: userId })
  await client.emit('join', room)
  return {
    onPost(listener) {
      client.onEvent = (payload) => {
        if (payload.includes(ROOM_MESSAGE)) listener()
      }
    },
    async post(content) {
      const answer = await client.emit('post', { room, content })
      if (answer !== 'ok') throw new Error(`socket.io answered ${answer}`)
    },
    close: () => client.webSocket.destroy(),
  }
}

interface BenchClient extends Client {
  emit(event: string, ...data: unknown[]): Promise<unknown>
}

async function connect(url: string, userId: string): Promise<BenchClient> {
  const client = await SocketIoClient.open(url, { user: userId })
  return {
    userId,
    onEvent(listener) {
      client.onEvent = listener
    },
    async send(conversation, recipients, content) {
      const contents = Object.fromEntries(recipients.map((id) => [id, content]))
      const answer = await client.emit('send', { conversation, contents })
      if (answer !== 'ok') throw new Error(`socket.io answered ${answer}`)
    },
    broadcast: (conversation) => client.emit('signal', conversation),
    emit: (event, ...data) => client.emit(event, ...data),
    close: () => client.webSocket.destroy(),
  }
}
