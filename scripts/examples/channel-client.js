import { Presence, Socket } from 'phoenix'
import { WebSocket } from 'ws' // not needed in browsers, and since Node 22

const socket = new Socket('ws://localhost:4000/socket', {
  params: { token: 'token-of-ann' },
  transport: WebSocket,
})
socket.connect()

const room = socket.channel('room:lobby')
const presence = new Presence(room)
presence.onSync(() => console.log('online:', presence.list((userId) => userId).join(', ')))
room.on('new_msg', ({ from, message }) => console.log(`${from} says ${message.text}`))
room.join().receive('ok', ({ topic }) => console.log(topic))
room.push('new_msg', { text: 'Hello!' }).receive('ok', (reply) => console.log('sent to', reply.room))
