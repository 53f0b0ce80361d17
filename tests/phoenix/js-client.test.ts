import type { Channel, Socket } from 'phoenix'
import { LongPoll, Presence } from 'phoenix'
import { describe, expect, it, onTestFinished } from 'vitest'
import { defineChannel } from '../../src/realtime/index.ts'
import { Gate, roomChannel } from '../realtime/socket/room-channel.ts'
import { eventually } from '../support/eventually.ts'
import { type Json, listen, openSocket, settle } from '../support/phoenix.ts'
import { startRealtime } from '../support/realtime-server.ts'

/*
 * The cases of the tests of phoenix.js (assets/test/) that a server can show, against a real one. Phoenix runs them against
 * stubs. docs/phoenix-tests.md lists all of them.
 */

type Internals = Channel & {
  joinedOnce: boolean
  joinRef(): string
  canPush(): boolean
  isMember(...args: unknown[]): boolean
}

/** A topic with presence. */
const lobby = defineChannel({
  pattern: 'lobby',
  join() {},
  joined(channel) {
    channel.track(channel.userId, { name: channel.userId })
    channel.pushPresence()
  },
  events: {
    rename: (channel, payload) => channel.updatePresence(payload as { name: string }),
  },
})

async function start(transport?: unknown) {
  const gate = new Gate()
  const log: string[] = []
  const server = await startRealtime([roomChannel({ gate, log }), lobby])
  const connect = (token: string, options = {}): Socket => {
    const quick = { reconnectAfterMs: () => 5, rejoinAfterMs: () => 5, ...(transport ? { transport } : {}) }
    const socket = openSocket(server.url, { token, ...quick, ...options } as object)
    onTestFinished(() => socket.disconnect())
    return socket
  }
  return { ...server, gate, log, connect }
}

const TRANSPORTS: [name: string, transport: unknown][] = [
  ['WebSocket', undefined],
  ['LongPoll', LongPoll],
]

describe.each(TRANSPORTS)('with %s transport', (_name, transport) => {
  describe('channel', () => {
    it('sets state to joining', async () => {
      const { connect, gate } = await start(transport)
      const channel = connect('ann').channel('room:a', { outcome: 'wait' })
      const joined = settle(channel.join())
      expect(channel.state).toBe('joining')
      gate.open()
      await joined
    })

    it('sets joinedOnce to true; throws if attempting to join multiple times', async () => {
      const { connect } = await start(transport)
      const channel = connect('ann').channel('room:a') as Internals
      expect(channel.joinedOnce).toBe(false)
      await settle(channel.join())
      expect(channel.joinedOnce).toBe(true)
      expect(() => channel.join()).toThrow(/multiple times/)
    })

    it('can update the join params', async () => {
      const { connect } = await start(transport)
      let outcome = 'reject'
      const channel = connect('ann').channel('room:a', () => ({ outcome }))
      const welcome = listen(channel, 'welcome')
      expect((await settle(channel.join())).status).toBe('error')
      outcome = 'none'
      await welcome()
      expect(channel.state).toBe('joined')
    })

    it('triggers socket push with channel params', async () => {
      const { connect } = await start(transport)
      const join = connect('ann').channel('room:a', { outcome: 'reject' }).join()
      expect(await settle(join)).toEqual({ status: 'error', response: { reason: 'not now' } })
    })

    it('leaves existing duplicate topic on new join', async () => {
      const { connect, log } = await start(transport)
      const socket = connect('ann')
      const first = socket.channel('room:a')
      await settle(first.join())
      const second = socket.channel('room:a')
      expect((await settle(second.join())).status).toBe('ok')
      expect(first.state).toBe('closed')
      expect(second.state).toBe('joined')
      expect(log).toEqual(['ann left room:a'])
      expect(await settle(second.push('echo', { still: 'there' }))).toMatchObject({ status: 'ok' })
    })

    it('retries with backoff after timeout; can set timeout on joinPush', async () => {
      const { connect, gate } = await start(transport)
      const channel = connect('ann').channel('room:a', { outcome: 'wait' })
      const welcome = listen(channel, 'welcome')
      const timedOut = new Promise<void>((resolve) => channel.join(20).receive('timeout', () => resolve()))
      await timedOut
      gate.open()
      await welcome()
      expect(channel.state).toBe('joined')
    })

    it('succeeds before timeout', async () => {
      const { connect, gate } = await start(transport)
      const channel = connect('ann').channel('room:a', { outcome: 'wait' })
      const joined = settle(channel.join(600_000))
      gate.open()
      expect((await joined).status).toBe('ok')
    })

    it('with socket and join delay; with socket delay only', async () => {
      const { connect, gate } = await start(transport)
      const socket = connect('ann')
      // Both are called before the connection is open.
      const delayed = settle(socket.channel('room:a', { outcome: 'wait' }).join())
      const other = settle(socket.channel('room:b').join())
      expect((await other).status).toBe('ok')
      gate.open()
      expect((await delayed).status).toBe('ok')
    })
  })

  describe("joinPush receives 'ok'", () => {
    it('sets channel state to joined', async () => {
      const { connect } = await start(transport)
      const channel = connect('ann').channel('room:a')
      expect(channel.state).not.toBe('joined')
      await settle(channel.join())
      expect(channel.state).toBe('joined')
    })

    it("triggers receive('ok') callback after ok response; triggers receive('ok') callback if ok response already received", async () => {
      const { connect } = await start(transport)
      const push = connect('ann').channel('room:a').join()
      expect(await settle(push)).toEqual({ status: 'ok', response: { joined: 'a' } })
      expect(await settle(push)).toEqual({ status: 'ok', response: { joined: 'a' } })
    })

    it('does not trigger other receive callbacks after ok response', async () => {
      const { connect } = await start(transport)
      const channel = connect('ann').channel('room:a')
      const others: string[] = []
      const push = channel.join()
      for (const status of ['error', 'timeout'])
        push.receive(status as 'error', () => void others.push(status))
      await settle(push)
      await settle(channel.push('echo', {}))
      expect(others).toEqual([])
    })

    it("sends and empties channel's buffered pushEvents", async () => {
      const { connect, gate } = await start(transport)
      const channel = connect('ann').channel('room:a', { outcome: 'wait' })
      channel.join()
      const pushes = [1, 2, 3].map((n) => settle(channel.push('echo', { n })))
      gate.open()
      expect((await Promise.all(pushes)).map(({ response }) => response)).toEqual([
        { n: 1 },
        { n: 2 },
        { n: 3 },
      ])
      expect((channel as Json).pushBuffer).toEqual([])
    })
  })

  describe("joinPush receives 'timeout'", () => {
    it('sets channel state to errored; does not trigger other receive callbacks after timeout response', async () => {
      const { connect } = await start(transport)
      const socket = connect('ann', { rejoinAfterMs: () => 1_000_000 })
      const channel = socket.channel('room:a', { outcome: 'wait' })
      const push = channel.join(20)
      const others: string[] = []
      for (const status of ['ok', 'error'] as const) push.receive(status, () => void others.push(status))
      expect((await settle(push)).status).toBe('timeout')
      expect(channel.state).toBe('errored')
      await settle(socket.channel('room:b').join())
      expect(others).toEqual([])
    })
  })

  describe("joinPush receives 'error'", () => {
    it("triggers receive('error') callback after error response; triggers receive('error') callback if error response already received; does not trigger other receive callbacks after error response; does not set channel state to joined", async () => {
      const { connect } = await start(transport)
      const socket = connect('ann', { rejoinAfterMs: () => 1_000_000 })
      const channel = socket.channel('room:a', { outcome: 'reject' })
      const push = channel.join()
      const others: string[] = []
      for (const status of ['ok', 'timeout'] as const) push.receive(status, () => void others.push(status))
      expect(await settle(push)).toEqual({ status: 'error', response: { reason: 'not now' } })
      expect(await settle(push)).toEqual({ status: 'error', response: { reason: 'not now' } })
      expect(channel.state).not.toBe('joined')
      expect(others).toEqual([])
    })

    it("does not trigger channel's buffered pushEvents", async () => {
      const { connect } = await start(transport)
      const socket = connect('ann', { rejoinAfterMs: () => 1_000_000 })
      const channel = socket.channel('room:a', { outcome: 'reject' })
      const join = channel.join()
      channel.push('echo', {})
      await settle(join)
      expect((channel as Json).pushBuffer).toHaveLength(1)
    })
  })

  describe('onError', () => {
    it("sets state to 'errored', triggers additional callbacks after join, and rejoins", async () => {
      const { connect } = await start(transport)
      const channel = connect('ann').channel('room:a')
      const welcome = listen(channel, 'welcome')
      const states: string[] = []
      channel.onError(() => void states.push(channel.state))
      await settle(channel.join())
      await welcome()
      channel.push('crash', {})
      await welcome()
      expect(states).toEqual(['errored'])
      expect(channel.state).toBe('joined')
    })

    it('does not rejoin if channel leaving; does not rejoin if channel closed', async () => {
      const { connect, endpoint, log } = await start(transport)
      const socket = connect('ann')
      const channel = socket.channel('room:a')
      await settle(channel.join())
      const other = socket.channel('room:b')
      const welcome = listen(other, 'welcome')
      await settle(other.join())
      await welcome()
      await settle(channel.leave())
      endpoint.disconnect(() => true)
      await welcome()
      expect(channel.state).toBe('closed')
      expect(log.filter((line) => line === 'ann left room:a')).toHaveLength(1)
      expect(endpoint.pubsub.subscribers('room:a').size).toBe(0)
    })
  })

  describe('onClose', () => {
    it("sets state to 'closed', triggers additional callbacks, removes channel from socket, and does not rejoin", async () => {
      const { connect, endpoint } = await start(transport)
      const socket = connect('ann')
      const channel = socket.channel('room:a')
      const closed = new Promise<void>((resolve) => channel.onClose(() => resolve()))
      await settle(channel.join())
      expect((await settle(channel.push('close_me', {}))).response).toBe('closing')
      await closed
      expect(channel.state).toBe('closed')
      expect((socket as Json).channels).toEqual([])
      expect(endpoint.pubsub.subscribers('room:a').size).toBe(0)
    })
  })

  describe('onMessage', () => {
    it('returns payload by default', async () => {
      const { connect } = await start(transport)
      const channel = connect('ann').channel('room:a')
      const message = listen(channel, 'message')
      await settle(channel.join())
      channel.push('broadcast', { one: 'two' })
      expect(await message()).toEqual({ one: 'two' })
    })
  })

  describe('canPush', () => {
    it('returns true when socket connected and channel joined; otherwise returns false', async () => {
      const { connect } = await start(transport)
      const socket = connect('ann')
      const channel = socket.channel('room:a') as Internals
      expect(channel.canPush()).toBe(false)
      await settle(channel.join())
      expect(channel.canPush()).toBe(true)
      await settle(channel.leave())
      expect(channel.canPush()).toBe(false)
    })
  })

  describe('on and off', () => {
    it('sets up callback for event; other event callbacks are ignored; removes callback by its ref; removes all callbacks for event', async () => {
      const { connect } = await start(transport)
      const channel = connect('ann').channel('room:a')
      const heard: string[] = []
      const ref = channel.on('message', () => void heard.push('removed'))
      channel.on('message', () => void heard.push('kept'))
      channel.on('other', () => void heard.push('other'))
      channel.off('message', ref)
      await settle(channel.join())
      await settle(channel.push('broadcast', {}))
      expect(heard).toEqual(['kept'])
      channel.off('message')
      await settle(channel.push('broadcast', {}))
      expect(heard).toEqual(['kept'])
    })
  })

  describe('push', () => {
    it('sends push event when successfully joined', async () => {
      const { connect } = await start(transport)
      const channel = connect('ann').channel('room:a')
      await settle(channel.join())
      expect(await settle(channel.push('echo', { foo: 'bar' }))).toEqual({
        status: 'ok',
        response: { foo: 'bar' },
      })
    })

    it('enqueues push event to be sent once join has succeeded', async () => {
      const { connect } = await start(transport)
      const channel = connect('ann').channel('room:a')
      channel.join()
      expect(await settle(channel.push('echo', { foo: 'bar' }))).toEqual({
        status: 'ok',
        response: { foo: 'bar' },
      })
    })

    it('does not push if channel join times out', async () => {
      const { connect, log } = await start(transport)
      const socket = connect('ann', { rejoinAfterMs: () => 1_000_000 })
      const channel = socket.channel('room:a', { outcome: 'wait' })
      const join = settle(channel.join(20))
      channel.push('sequential', {})
      await join
      await settle(socket.channel('room:b').join())
      expect(log).toEqual([])
    })

    it('accepts timeout arg', async () => {
      const { connect } = await start(transport)
      const channel = connect('ann').channel('room:a')
      await settle(channel.join())
      expect((await settle(channel.push('sequential', {}, 20))).status).toBe('timeout')
    })

    it('throws if channel has not been joined', async () => {
      const { connect } = await start(transport)
      expect(() => connect('ann').channel('room:a').push('echo', {})).toThrow(/before joining/)
    })
  })

  describe('leave', () => {
    it("unsubscribes from server events; closes channel on 'ok' from server; sets state to closed on 'ok' event; does not trigger channel error after leave", async () => {
      const { connect, endpoint, log } = await start(transport)
      const socket = connect('ann')
      const channel = socket.channel('room:a')
      const heard: unknown[] = []
      channel.on('message', (payload) => void heard.push(payload))
      channel.onError((reason) => void heard.push(reason))
      await settle(channel.join())
      const leaving = settle(channel.leave())
      expect((await leaving).status).toBe('ok')
      expect(channel.state).toBe('closed')
      expect((socket as Json).channels).toEqual([])
      await eventually(() => expect(log).toEqual(['ann left room:a']))
      endpoint.pubsub.broadcast('room:a', 'message', {})
      await settle(socket.channel('room:b').join())
      expect(heard).toEqual([])
    })
  })

  describe('socket', () => {
    it('supports closure or literal params', async () => {
      const { connect } = await start(transport)
      const literal = connect('ann', { params: { token: 'ann' } })
      const closure = connect('', { params: () => ({ token: 'bob' }) })
      for (const socket of [literal, closure])
        expect((await settle(socket.channel('room:a').join())).status).toBe('ok')
    })

    it('establishes websocket connection with endpoint; establishes long poll connection with endpoint; sets callbacks for connection; triggers onOpen callback; returns connecting; returns open', async () => {
      const { connect, endpoint } = await start(transport)
      const socket = connect('ann')
      const opened = new Promise<void>((resolve) => socket.onOpen(() => resolve()))
      expect(socket.connectionState()).toBe('connecting')
      await opened
      expect(socket.connectionState()).toBe('open')
      expect(endpoint.connectionCount).toBe(1)
    })

    it('is idempotent', async () => {
      const { connect, endpoint } = await start(transport)
      const socket = connect('ann')
      socket.connect()
      await settle(socket.channel('room:a').join())
      expect(endpoint.connectionCount).toBe(1)
    })

    it('removes existing connection; calls callback; calls connection close callback; returns closed; does not schedule reconnectTimer if normal close after explicit disconnect', async () => {
      const { connect } = await start(transport)
      const socket = connect('ann')
      await settle(socket.channel('room:a').join())
      const closed = new Promise<void>((resolve) => socket.onClose(() => resolve()))
      await new Promise<void>((resolve) => socket.disconnect(() => resolve()))
      await closed
      expect(socket.connectionState()).toBe('closed')
      expect((socket as Json).conn).toBeNull()
      expect((socket as Json).reconnectTimer.timer).toBeFalsy()
    })

    it('adds channel to sockets channels list; sends data to connection when connected; buffers data when not connected; flushes the send buffer; empties sendBuffer', async () => {
      const { connect } = await start(transport)
      const socket = connect('ann')
      const channel = socket.channel('room:a')
      expect((socket as Json).channels).toEqual([channel])
      const joined = settle(channel.join())
      expect((socket as Json).sendBuffer).toHaveLength(1)
      await joined
      expect((socket as Json).sendBuffer).toEqual([])
    })

    it('schedules reconnectTimer timeout if abnormal close; triggers channel error if joined; triggers onClose callback', async () => {
      const { connect, endpoint } = await start(transport)
      const socket = connect('ann')
      const channel = socket.channel('room:a')
      const welcome = listen(channel, 'welcome')
      let [errors, closes] = [0, 0]
      channel.onError(() => void errors++)
      socket.onClose(() => void closes++)
      await settle(channel.join())
      await welcome()
      endpoint.disconnect(() => true)
      await welcome()
      expect([errors > 0, closes > 0, channel.state]).toEqual([true, true, 'joined'])
    })

    it('triggers channel error if joining with no connection', async () => {
      const { connect } = await start(transport)
      let token = 'bad'
      const socket = connect('', { params: () => ({ token }) })
      const channel = socket.channel('room:a')
      const failed = new Promise<void>((resolve) => channel.onError(() => resolve()))
      const joined = settle(channel.join())
      await failed
      token = 'ann'
      expect((await joined).status).toBe('ok')
    })

    it('parses raw message and triggers channel event; triggers onMessage callback; encodes to JSON array by default; decodes JSON by default', async () => {
      const { connect } = await start(transport)
      const socket = connect('ann')
      const channel = socket.channel('room:a') as Internals
      const messages: Json[] = []
      socket.onMessage((message) => void messages.push(message))
      await settle(channel.join())
      expect(messages[0]).toEqual({
        join_ref: channel.joinRef(),
        ref: channel.joinRef(),
        topic: 'room:a',
        event: 'phx_reply',
        payload: { status: 'ok', response: { joined: 'a' } },
      })
    })

    it('pushes heartbeat data when connected', async () => {
      const { connect } = await start(transport)
      const socket = connect('ann')
      await settle(socket.channel('room:a').join())
      const answered = new Promise((resolve) =>
        socket.onMessage(({ topic, event, payload }: Json) => {
          if (topic === 'phoenix') resolve([event, payload])
        }),
      )
      ;(socket as Json).sendHeartbeat()
      expect(await answered).toEqual(['phx_reply', { status: 'ok', response: {} }])
    })

    it('pushes when connected; returns false when disconnected', async () => {
      const { connect } = await start(transport)
      const socket = connect('ann') as Socket & { ping(callback: (ms: number) => void): boolean }
      expect(socket.ping(() => {})).toBe(false)
      await settle(socket.channel('room:a').join())
      expect(await new Promise((resolve) => expect(socket.ping(resolve)).toBe(true))).toBeTypeOf('number')
    })
  })

  describe('presence', () => {
    it("syncs state and diffs; onJoins new presences and onLeave's left presences; lists full presence by default; lists with custom function", async () => {
      const { connect, clock } = await start(transport)
      const channel = connect('ann').channel('lobby')
      const presence = new Presence(channel)
      const [joins, leaves]: [string[], string[]] = [[], []]
      presence.onJoin((key) => void joins.push(key as string))
      presence.onLeave((key) => void leaves.push(key as string))
      await settle(channel.join())
      const listed = (...keys: string[]) =>
        eventually(() => {
          clock.advance(100)
          expect(presence.list((key) => key)).toEqual(keys)
        })
      await listed('ann')
      const bob = connect('bob')
      await settle(bob.channel('lobby').join())
      await listed('ann', 'bob')
      expect(presence.list()).toEqual(
        ['ann', 'bob'].map((name) => ({ metas: [{ name, phx_ref: expect.any(String) }] })),
      )
      bob.disconnect()
      await eventually(() => {
        // A polling client leaves when it has not polled for 15 s.
        clock.advance(1_000)
        expect(leaves).toEqual(['bob'])
      })
      expect(new Set(joins)).toEqual(new Set(['ann', 'bob']))
    })

    it('removes meta while leaving key if other metas exist', async () => {
      const { connect, clock } = await start(transport)
      const channel = connect('ann').channel('lobby')
      const presence = new Presence(channel)
      await settle(channel.join())
      const second = connect('ann').channel('lobby')
      await settle(second.join())
      const metas = (count: number) =>
        eventually(() => {
          clock.advance(100)
          expect(presence.list((_key, { metas }) => metas.length)).toEqual([count])
        })
      await metas(2)
      await settle(second.leave())
      await metas(1)
    })

    it('updates existing meta for a presence update (leave + join)', async () => {
      const { connect, clock } = await start(transport)
      const channel = connect('ann').channel('lobby')
      const presence = new Presence(channel)
      await settle(channel.join())
      await settle(channel.push('rename', { name: 'ann.2' }))
      const names = () => presence.list((_key, { metas }) => metas.map(({ name }: Json) => name))
      await eventually(() => {
        clock.advance(100)
        expect(names()).toEqual([['ann.2']])
      })
    })

    it('applies pending diff if state is not yet synced; onJoins only newly added metas after a restart', async () => {
      const first = await start(transport)
      const socket = first.connect('ann', { reconnectAfterMs: () => 1_000_000 })
      const channel = socket.channel('lobby')
      const presence = new Presence(channel)
      await settle(channel.join())
      await eventually(() => expect(presence.list()).toHaveLength(1))
      const [before] = presence.list((_key, { metas }) => metas[0].phx_ref)
      const second = await start(transport)
      const other = second.connect('ann').channel('lobby')
      const restarted = new Presence(other)
      await settle(other.join())
      await eventually(() => expect(restarted.list()).toHaveLength(1))
      const [after] = restarted.list((_key, { metas }) => metas[0].phx_ref)
      expect(after).not.toBe(before)
      const joined: string[] = []
      Presence.syncState(
        (presence as Json).state,
        structuredClone((restarted as Json).state),
        (key) => void joined.push(key as string),
      )
      expect(joined).toEqual(['ann'])
    })
  })

  describe('serializer', () => {
    it('encodes; encodes variable length segments; encodes non-ASCII metadata as UTF-8; decodes reply; decodes broadcast', async () => {
      const { connect } = await start(transport)
      const channel = connect('ann').channel('room:café π 🚀')
      expect((await settle(channel.join())).response).toEqual({ joined: 'café π 🚀' })
      const bytes = listen(channel, 'bytes')
      const reply = settle(channel.push('bytes', new TextEncoder().encode('é').buffer as ArrayBuffer))
      const expected = transport ? Buffer.from('é').toString('base64') : new TextEncoder().encode('é')
      const read = (value: unknown) => (transport ? value : new Uint8Array(value as ArrayBuffer))
      expect(read(await bytes())).toEqual(expected)
      expect(read((await reply).response)).toEqual(expected)
    })
  })
})

describe('authToken', () => {
  it.each(TRANSPORTS)(
    'sets subprotocols when authToken is provided; sets subprotocols when authToken is a function; should include auth token in headers when present: %s',
    async (_name, transport) => {
      const { url } = await start()
      for (const authToken of ['ann', () => 'ann']) {
        const socket = openSocket(url, { authToken, ...(transport ? { transport } : {}) } as object)
        onTestFinished(() => socket.disconnect())
        expect((await settle(socket.channel('room:a').join())).status).toBe('ok')
      }
    },
  )

  it('uses updated authToken function value when reconnecting', async () => {
    const { url, endpoint } = await start()
    let user = 'ann'
    const options = { authToken: () => user, reconnectAfterMs: () => 5, rejoinAfterMs: () => 5 }
    const socket = openSocket(url, options as object)
    onTestFinished(() => socket.disconnect())
    const channel = socket.channel('room:a')
    const welcome = listen(channel, 'welcome')
    await settle(channel.join())
    await welcome()
    user = 'bob'
    endpoint.disconnect(() => true)
    await welcome()
    expect([...endpoint.pubsub.subscribers('room:a')].map(({ userId }) => userId)).toEqual(['bob'])
  })
})

describe('LongPoll', () => {
  it('falls back to longpoll when set after primary transport failure', async () => {
    const { url } = await start()
    class NoWebSocket {
      onerror: ((error: unknown) => void) | undefined
      readyState = 0
      constructor() {
        queueMicrotask(() => this.onerror?.('not here'))
      }
      close(): void {}
    }
    const options = { token: 'ann', transport: NoWebSocket, longPollFallbackMs: 1_000_000 }
    const socket = openSocket(url, options as object)
    onTestFinished(() => socket.disconnect())
    expect((await settle(socket.channel('room:a').join())).status).toBe('ok')
  })

  it('splits 150 rapid send() calls into two requests in order; should send with correct content-type header format', async () => {
    const { connect } = await start(LongPoll)
    const channel = connect('ann').channel('room:a')
    await settle(channel.join())
    const pushes = Array.from({ length: 150 }, (_, n) => settle(channel.push('echo', { n })))
    expect((await Promise.all(pushes)).map(({ response }) => response.n)).toEqual(pushes.map((_, n) => n))
  })

  it('should treat 410 as error when token already exists, and rejoins', async () => {
    const { connect, endpoint } = await start(LongPoll)
    const channel = connect('ann').channel('room:a')
    const welcome = listen(channel, 'welcome')
    await settle(channel.join())
    await welcome()
    endpoint.disconnect(() => true)
    await welcome()
  })
})

it('a leave is never refused: phoenix.js reports a channel as closed, whatever the reply', async () => {
  const rateLimit = { eventsPerSecond: 1, eventBurst: 1, joinBurst: 200 }
  const { url, endpoint } = await startRealtime([roomChannel()], { rateLimit })
  const socket = openSocket(url, { token: 'ann' })
  onTestFinished(() => socket.disconnect())
  const channels = Array.from({ length: 200 }, (_, n) => socket.channel(`room:${n}`))
  await Promise.all(channels.map((channel) => settle(channel.join())))
  for (const channel of channels) channel.leave()
  await eventually(() => {
    const joined = channels.filter(({ topic }) => endpoint.pubsub.subscribers(topic).size > 0)
    expect(joined).toEqual([])
  })
})

it('an endpoint with a slash at its end works', async () => {
  const { url } = await start()
  for (const transport of [undefined, LongPoll]) {
    const options = { token: 'ann', ...(transport ? { transport } : {}) }
    const socket = openSocket(`${url}/`, options as object)
    onTestFinished(() => socket.disconnect())
    expect((await settle(socket.channel('room:a').join())).status).toBe('ok')
  }
})
