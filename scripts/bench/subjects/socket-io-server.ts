import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import postgres from 'postgres'
import { Server } from 'socket.io'

/*
 * The same chat with Socket.IO 4, as it is usually written: a room per user and per conversation. One transaction per message checks
 * the members and stores a copy for each. Then the message is emitted and acknowledged. In a room, one row is stored for all members.
 */
interface Message {
  conversation: string
  contents: Record<string, string>
}

const sql = postgres(process.env.DATABASE_URL ?? '', { max: 10, onnotice: () => {} })
await sql`create table members (conversation uuid, member text, primary key (conversation, member))`
await sql`create table sent (id uuid primary key, conversation uuid not null, sender text not null, inserted_at timestamptz default now())`
await sql`create table copies (sent uuid not null references sent, recipient text not null, content text not null, primary key (sent, recipient))`
await sql`create table posts (id uuid primary key, room uuid not null, sender text not null, content text not null, inserted_at timestamptz default now())`

const server = createServer((_request, response) => void response.end('{}'))
const io = new Server(server, { transports: ['websocket'], perMessageDeflate: false })

io.on('connection', (socket) => {
  const { user } = socket.handshake.auth as { user: string }
  socket.join(`user:${user}`)

  socket.on('start', async (members: string[], acknowledge) => {
    const conversation = randomUUID()
    await sql`insert into members ${sql(members.map((member) => ({ conversation, member })))}`
    acknowledge(conversation)
  })

  socket.on('join', (conversation: string, acknowledge) => {
    socket.join(`conversation:${conversation}`)
    acknowledge('ok')
  })

  socket.on('send', async ({ conversation, contents }: Message, acknowledge) => {
    const id = randomUUID()
    const stored = await sql.begin(async (tx) => {
      const members = await tx`select member from members where conversation = ${conversation}`
      const isExact =
        members.length === Object.keys(contents).length && members.every(({ member }) => member in contents)
      if (!isExact) return false
      await tx`insert into sent (id, conversation, sender) values (${id}, ${conversation}, ${user})`
      const copies = Object.entries(contents).map(([recipient, content]) => ({
        sent: id,
        recipient,
        content,
      }))
      await tx`insert into copies ${tx(copies)}`
      return true
    })
    if (!stored) return acknowledge('rejected')
    for (const [recipient, content] of Object.entries(contents)) {
      io.to(`user:${recipient}`).emit('new_message', { conversation, message: { id, sender: user, content } })
    }
    acknowledge('ok')
  })

  socket.on('post', async ({ room, content }: { room: string; content: string }, acknowledge) => {
    const id = randomUUID()
    const stored = await sql.begin(async (tx) => {
      const [member] = await tx`select member from members where conversation = ${room} and member = ${user}`
      if (!member) return false
      await tx`insert into posts (id, room, sender, content) values (${id}, ${room}, ${user}, ${content})`
      return true
    })
    if (!stored) return acknowledge('rejected')
    io.to(`conversation:${room}`).emit('room_message', { id, room, sender: user, content })
    acknowledge('ok')
  })

  socket.on('signal', (conversation: string, acknowledge) => {
    io.to(`conversation:${conversation}`).emit('start_typing', { user })
    acknowledge('ok')
  })
})
server.listen(Number(process.env.PORT), '127.0.0.1')
