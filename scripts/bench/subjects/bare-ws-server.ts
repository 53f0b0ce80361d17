import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'

/*
 * The lower bound: `ws` without users, rules or database. It replies to every push, forwards messages to their recipients and
 * typing events to all subscribers. It encodes each frame once and corks each socket once per tick.
 */
interface Peer {
  stream: Duplex
  corked: boolean
}

const topics = new Map<string, Set<Peer>>()
const dirty: Peer[] = []

function write(peer: Peer, frame: Buffer): void {
  if (!peer.corked) {
    peer.corked = true
    peer.stream.cork()
    if (dirty.push(peer) === 1) setImmediate(flush)
  }
  peer.stream.write(frame)
}

function flush(): void {
  for (const peer of dirty.splice(0)) {
    peer.corked = false
    peer.stream.uncork()
  }
}

function textFrame(value: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(value))
  const header = text.length < 126 ? [0x81, text.length] : [0x81, 126, text.length >> 8, text.length & 0xff]
  return Buffer.concat([Buffer.from(header), text])
}

const server = createServer((_request, response) => void response.end('{}'))
const sockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false })
sockets.on('connection', (socket, { socket: stream }) => {
  const peer: Peer = { stream, corked: false }
  const joined: Set<Peer>[] = []
  socket.on('message', (data: Buffer) => {
    const [joinRef, ref, topic, event, payload] = JSON.parse(data.toString())
    if (event === 'phx_join') {
      const peers = topics.get(topic) ?? new Set()
      topics.set(topic, peers.add(peer))
      joined.push(peers)
    } else if (event === 'start_typing') {
      const frame = textFrame([null, null, topic, event, { user_id: payload.user_id }])
      for (const other of topics.get(topic) ?? []) write(other, frame)
    } else if (event === 'send_message') {
      for (const [user, content] of Object.entries(payload.encrypted_messages)) {
        const frame = textFrame([null, null, `user:${user}`, 'new_message', { message: { content } }])
        for (const other of topics.get(`user:${user}`) ?? []) write(other, frame)
      }
    }
    write(peer, textFrame([joinRef, ref, topic, 'phx_reply', { status: 'ok', response: {} }]))
  })
  socket.on('close', () => {
    for (const peers of joined) peers.delete(peer)
  })
})
server.listen(Number(process.env.PORT), '127.0.0.1')
