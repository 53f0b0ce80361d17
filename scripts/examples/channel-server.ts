import { createServer } from 'node:http'
import { ChannelServer, defineChannel, Refusal } from 'parley/channels'

const users = new Map([
  ['token-of-ann', { userId: 'ann' }],
  ['token-of-bob', { userId: 'bob' }],
])

const room = defineChannel({
  pattern: 'room:*',
  join(channel, name) {
    if (name === 'staff' && channel.userId !== 'ann') throw new Refusal({ reason: 'unauthorized' })
    return { state: { name }, reply: { topic: `Welcome to ${name}` } }
  },
  joined(channel) {
    channel.track(channel.userId, { online_at: Date.now() })
    channel.pushPresence()
  },
  events: {
    new_msg(channel, payload) {
      channel.broadcast('new_msg', { from: channel.userId, message: payload })
      return { room: channel.state.name }
    },
  },
})

const http = createServer((_request, response) => response.end('Hello over HTTP'))
new ChannelServer({ authenticate: (token = '') => users.get(token) }).use(room).attach(http)
http.listen(4000, () => console.log('Listening on http://localhost:4000'))
