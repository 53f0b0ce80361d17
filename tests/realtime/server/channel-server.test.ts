import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  ChannelServer,
  type ChannelServerOptions,
  defineChannel,
  type EventHandler,
  type HandleEvent,
  NO_REPLY,
  Refusal,
  type Reply,
  type StandardSchema,
  type Telemetry,
} from '../../../src/realtime/index.ts'
import { eventually } from '../../support/eventually.ts'
import { InProcessBackplane } from '../../support/in-process-backplane.ts'
import { RawClient } from '../../support/raw-client.ts'
import { startRealtime } from '../../support/realtime-server.ts'

const JOIN = ['1', '1', 'room:a', 'phx_join', {}] as const
const ok = (response: unknown) => ({ status: 'ok', response })
const error = (response: unknown) => ({ status: 'error', response })
const authenticate = (token: string | undefined) => (token ? { userId: token } : undefined)

/** A definition with these events, whose joins succeed. */
function room(events: Record<string, HandleEvent | EventHandler>) {
  return defineChannel({ pattern: 'room:*', join() {}, events })
}

/** Connects a client that has joined `room:a`. */
async function joined(server: Awaited<ReturnType<typeof startRealtime>>, user = 'ann') {
  const client = await server.connect(user)
  await client.call([...JOIN])
  return client
}

/** Starts two nodes that know each other. */
async function startNodes() {
  const servers = await Promise.all(
    InProcessBackplane.group(2).map((backplane) => startRealtime([room({})], { backplane })),
  )
  const [one, two] = servers as [(typeof servers)[0], (typeof servers)[0]]
  await eventually(() => expect(two.endpoint.nodes.count).toBe(2))
  return { one, two }
}

describe('a server', () => {
  async function listen(http: ReturnType<typeof createServer>, options: Partial<ChannelServerOptions> = {}) {
    const server = new ChannelServer({ authenticate, ...options }).use(room({})).attach(http)
    await new Promise<void>((resolve) => http.listen(0, resolve))
    onTestFinished(async () => {
      await server.close()
      http.closeAllConnections()
      http.close()
    })
    return { server, host: `localhost:${(http.address() as AddressInfo).port}` }
  }

  it('needs no options but authenticate', async () => {
    const { host, server } = await listen(createServer())
    const client = await RawClient.connect(`ws://${host}/socket/websocket?vsn=2.0.0&token=ann`)
    expect((await client.call([...JOIN]))[4]).toEqual(ok({}))
    expect(server.connectionCount).toBe(1)
    expect(server.subscriberCount('room:a')).toBe(1)
    client.close()
  })

  it('leaves other requests to the listeners that the HTTP server has', async () => {
    const { host } = await listen(
      createServer((_request, response) => response.end('mine')),
      { path: '/live' },
    )
    expect(await (await fetch(`http://${host}/socket/longpoll`)).text()).toBe('mine')
    expect(await (await fetch(`http://${host}/live/longpoll`)).json()).toEqual({ status: 403 })
  })

  it('answers other requests with 404 if there are no other listeners', async () => {
    const { host } = await listen(createServer())
    expect((await fetch(`http://${host}/other`)).status).toBe(404)
    await expect(RawClient.connect(`ws://${host}/other`)).rejects.toMatchObject({ status: 404 })
  })

  it('closes its connections with 1012', async () => {
    const { host, server } = await listen(createServer())
    const client = await RawClient.connect(`ws://${host}/socket/websocket?vsn=2.0.0&token=ann`)
    await server.close()
    expect(await client.closed).toBe(1012)
  })

  it('requires a key for long polling on several nodes', () => {
    const [backplane] = InProcessBackplane.group(2)
    expect(() => new ChannelServer({ authenticate, backplane })).toThrow(TypeError)
  })
})

describe('authentication', () => {
  it('may be asynchronous', async () => {
    const server = await startRealtime([room({})], {
      authenticate: async (token, { params }) =>
        token === 'ann' ? { userId: `${token} ${params.get('vsn')}` } : undefined,
    })
    expect(await (await joined(server)).settled()).toEqual([])
    await expect(server.connect('bob')).rejects.toMatchObject({ status: 403 })
  })

  it.each([
    () => {
      throw new Error('a bug')
    },
    () => Promise.reject(new Error('a later bug')),
  ])('that fails is logged, and refuses the connection with 503', async (authenticate) => {
    const { connect, crashes } = await startRealtime([], { authenticate })
    await expect(connect()).rejects.toMatchObject({ status: 503 })
    expect(crashes).toHaveLength(1)
  })

  it('decides for how long a connection stays open', async () => {
    const server = await startRealtime([], (clock) => ({
      authenticate: (userId = '') => ({
        userId,
        expiresAt: clock.now() + (userId === 'ann' ? 5_000 : 50_000),
      }),
    }))
    const [ann, bob] = [await server.connect('ann'), await server.connect('bob')]
    server.clock.advance(6_000)
    expect(await ann.closed).toBe(1001)
    expect(await bob.settled()).toEqual([])
  })
})

describe('a reply', () => {
  it('may be sent after the handler has returned, once', async () => {
    const replies: Reply[] = []
    const server = await startRealtime([
      room({
        later(_channel, _payload, reply) {
          replies.push(reply)
          return NO_REPLY
        },
        echo: (_channel, payload) => payload,
      }),
    ])
    const client = await joined(server)
    client.send(['1', '2', 'room:a', 'later', {}], ['1', '3', 'room:a', 'later', {}])
    expect((await client.call(['1', '4', 'room:a', 'echo', 'meanwhile']))[4]).toEqual(ok('meanwhile'))
    expect(await client.settled()).toEqual([])
    replies[0]?.ok({ n: 1 })
    replies[0]?.ok({ n: 2 })
    replies[1]?.error({ reason: 'no' })
    expect(await client.settled()).toEqual([
      ['1', '2', 'room:a', 'phx_reply', ok({ n: 1 })],
      ['1', '3', 'room:a', 'phx_reply', error({ reason: 'no' })],
    ])
  })

  it('replaces the result of the handler, and is dropped after the channel has ended', async () => {
    const replies: Reply[] = []
    const server = await startRealtime([
      room({
        both(_channel, _payload, reply) {
          reply.error('first')
          return 'second'
        },
        later: (_channel, _payload, reply) => {
          replies.push(reply)
          return NO_REPLY
        },
        nothing: () => {},
      }),
    ])
    const client = await joined(server)
    expect((await client.call(['1', '2', 'room:a', 'both', {}]))[4]).toEqual(error('first'))
    expect((await client.call(['1', '3', 'room:a', 'nothing', {}]))[4]).toEqual(ok({}))
    client.send(['1', '4', 'room:a', 'later', {}], ['1', '5', 'room:a', 'phx_leave', {}])
    await client.event('phx_close')
    replies[0]?.ok()
    expect(await client.settled()).toMatchObject([['1', '5', 'room:a', 'phx_reply', {}]])
  })
})

describe('a payload', () => {
  const Text: StandardSchema<{ text: string }> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) =>
        typeof (value as { text?: unknown } | null)?.text === 'string'
          ? { value: { text: (value as { text: string }).text.trim() } }
          : {
              issues: [
                { message: 'Required', path: ['text'] },
                { message: 'Odd', path: [{ key: 'a' }, 0] },
              ],
            },
    },
  }
  const Later: StandardSchema<{ text: string }> = {
    '~standard': { ...Text['~standard'], validate: async (value) => Text['~standard'].validate(value) },
  }
  const invalid = error({ reason: 'invalid_payload', errors: { text: ['Required'], 'a.0': ['Odd'] } })

  it.each([
    ['a schema', Text],
    ['an asynchronous schema', Later],
  ])('is validated by %s, which also converts it', async (_name, payload) => {
    const chat = defineChannel({
      pattern: 'room:*',
      payload,
      join: (_channel, _name, { text }) => ({ state: { text } }),
      events: { say: { payload, handle: (channel, { text }) => channel.state.text + text } },
    })
    const { connect } = await startRealtime([chat])
    const client = await connect()
    expect((await client.call([...JOIN]))[4]).toEqual(invalid)
    await client.call(['1', '1', 'room:a', 'phx_join', { text: ' a ' }])
    expect((await client.call(['1', '2', 'room:a', 'say', { text: ' b ' }]))[4]).toEqual(ok('ab'))
    expect((await client.call(['1', '3', 'room:a', 'say', null]))[4]).toEqual(invalid)
  })

  it('is validated by a function, which throws for an invalid one', async () => {
    const count = (payload: unknown) => {
      if (payload === 0) throw new Refusal('too small')
      if (typeof payload !== 'number') throw new TypeError('not a number')
      return payload
    }
    const server = await startRealtime([
      room({ count: { payload: count, handle: (_channel, n) => (n as number) + 1 } }),
    ])
    const client = await joined(server)
    expect((await client.call(['1', '2', 'room:a', 'count', 1]))[4]).toEqual(ok(2))
    expect((await client.call(['1', '3', 'room:a', 'count', 0]))[4]).toEqual(error('too small'))
    expect((await client.call(['1', '4', 'room:a', 'count', '1']))[4]).toEqual(
      error({ reason: 'invalid_payload' }),
    )
    expect(server.crashes).toEqual([])
  })
})

describe('a broadcast', () => {
  it('from a channel reaches everyone else', async () => {
    const server = await startRealtime([
      room({ tell: (channel, payload) => channel.broadcastFrom('told', payload) }),
    ])
    const [ann, tab, bob] = [await joined(server), await joined(server), await joined(server, 'bob')]
    await ann.call(['1', '2', 'room:a', 'tell', 'news'])
    expect(await ann.settled()).toEqual([])
    for (const client of [tab, bob]) {
      expect(await client.settled()).toEqual([[null, null, 'room:a', 'told', 'news']])
    }
  })

  it('from outside of channels reaches all nodes', async () => {
    const { one, two } = await startNodes()
    const [ann, bob] = [await joined(one), await joined(two, 'bob')]
    one.server.broadcast('room:a', 'news', { n: 1 })
    for (const client of [ann, bob]) {
      expect(await client.event('news')).toEqual([null, null, 'room:a', 'news', { n: 1 }])
    }
  })
})

describe('one user', () => {
  it('receives what is pushed to them on all nodes, and nobody else does', async () => {
    const { one, two } = await startNodes()
    const [ann, tab, bob] = [await joined(one), await joined(two), await joined(two, 'bob')]
    const bytes = Buffer.from([1, 2, 3])
    one.server.pushTo({ topic: 'room:a', userId: 'ann' }, 'for you', { n: 1 })
    one.server.pushTo({ topic: 'room:a', userId: 'ann' }, 'bytes', bytes)
    one.server.broadcast('room:a', 'for all', {})
    for (const client of [ann, tab]) {
      expect(await client.event('for you')).toEqual([null, null, 'room:a', 'for you', { n: 1 }])
      expect(await client.take(Buffer.isBuffer)).toEqual(
        Buffer.concat([Buffer.from([2, 6, 5]), Buffer.from('room:abytes'), bytes]),
      )
    }
    await bob.event('for all')
    expect(await bob.settled()).toEqual([])
  })

  it('is removed from a topic on all nodes', async () => {
    const { one, two } = await startNodes()
    const [ann, tab, bob] = [await joined(one), await joined(two), await joined(two, 'bob')]
    one.server.closeChannels({ topic: 'room:a', userId: 'ann' })
    for (const client of [ann, tab]) {
      expect(await client.event('phx_close')).toEqual(['1', '1', 'room:a', 'phx_close', {}])
    }
    expect(await bob.settled()).toEqual([])
  })

  it('is disconnected on all nodes, with all sessions or one', async () => {
    const { one, two } = await startNodes()
    const [ann, tab, bob] = [await joined(one), await joined(two), await joined(two, 'bob')]
    one.server.disconnect({ userId: 'ann' })
    expect([await ann.closed, await tab.closed]).toEqual([1001, 1001])
    expect(await bob.settled()).toEqual([])
    one.server.disconnect({ sessionId: 'session-bob' })
    expect(await bob.closed).toBe(1001)
    expect(() => one.server.disconnect({} as { userId: string })).toThrow(TypeError)
  })
})

describe('presence', () => {
  const lobby = defineChannel({
    pattern: 'lobby',
    join() {},
    joined(channel) {
      channel.track(channel.userId, { mood: 'new' })
      channel.pushPresence()
    },
    events: { feel: (channel, mood) => channel.updatePresence({ mood }) },
  })

  it('is that of a channel until it ends, and can be updated and listed', async () => {
    const { server, connect, clock } = await startRealtime([lobby])
    const [ann, bob] = [await connect('ann'), await connect('bob')]
    for (const client of [ann, bob]) await client.call(['1', '1', 'lobby', 'phx_join', {}])
    clock.advance(100)
    await ann.settled()
    await ann.call(['1', '2', 'lobby', 'feel', 'fine'])
    clock.advance(100)
    expect((await bob.event('presence_state'))[4]).toMatchObject({ ann: { metas: [{ mood: 'new' }] } })
    expect((await ann.event('presence_diff'))[4]).toMatchObject({
      joins: { ann: { metas: [{ mood: 'fine' }] } },
      leaves: { ann: { metas: [{ mood: 'new' }] } },
    })
    expect(server.presence('lobby')).toMatchObject({
      ann: { metas: [{ mood: 'fine' }] },
      bob: { metas: [{ mood: 'new' }] },
    })
    await bob.call(['1', '2', 'lobby', 'phx_leave', {}])
    expect(Object.keys(server.presence('lobby'))).toEqual(['ann'])
    expect(server.presence('nowhere')).toEqual({})
  })
})

describe('a bug', () => {
  const broken = (hook: 'joined' | 'left') =>
    defineChannel({
      pattern: 'room:*',
      join() {},
      [hook]() {
        throw new Error('a bug')
      },
    })

  it('in joined ends the channel, after the reply to the join', async () => {
    const { connect, crashes } = await startRealtime([broken('joined')])
    const client = await connect()
    client.send(JOIN)
    expect(await client.take()).toMatchObject(['1', '1', 'room:a', 'phx_reply', { status: 'ok' }])
    expect(await client.take()).toEqual(['1', '1', 'room:a', 'phx_error', { reason: 'channel_crash' }])
    expect(crashes).toHaveLength(1)
  })

  it('in left keeps no other channel from ending', async () => {
    const server = await startRealtime([broken('left')])
    const client = await joined(server)
    await client.call(['2', '2', 'room:b', 'phx_join', {}])
    client.terminate()
    await eventually(() => expect(server.crashes).toHaveLength(2))
    expect(server.endpoint.pubsub.subscribers('room:b').size).toBe(0)
  })
})

describe('telemetry', () => {
  /** Records what the hooks are called with. */
  function recorder() {
    const calls: [hook: string, details: Record<string, unknown>][] = []
    const hooks = ['connect', 'refuse', 'join', 'event', 'reject', 'deny', 'close']
    const telemetry = Object.fromEntries(
      hooks.map((hook) => [hook, (details: object) => void calls.push([hook, { ...details }])]),
    ) as Telemetry
    return { calls, telemetry }
  }

  it('reports connections, joins, events, refusals and closes, with durations', async () => {
    const { calls, telemetry } = recorder()
    const server = await startRealtime(
      [
        room({
          echo: (_channel, payload) => payload,
          later: () => NO_REPLY,
          deny: () => Promise.reject(new Refusal('no', { denied: 'not yours' })),
          crash: () => Promise.reject(new Error('a bug')),
        }),
      ],
      { telemetry },
    )
    await expect(server.connect('bad')).rejects.toThrow()
    const client = await joined(server)
    for (const event of ['echo', 'deny', 'unknown']) await client.call(['1', event, 'room:a', event, {}])
    client.send(['1', '3', 'room:a', 'later', {}], ['1', '4', 'room:a', 'crash', {}])
    await client.event('phx_error')
    client.close()
    await eventually(() => expect(calls.at(-1)?.[0]).toBe('close'))
    const identity = { userId: 'ann', sessionId: 'session-ann' }
    const handled = { identity, topic: 'room:a', durationMs: expect.any(Number) }
    const rejected = { identity, topic: 'room:a', response: { reason: 'unknown_event' } }
    expect(calls).toMatchObject([
      ['refuse', { reason: 'token', transport: 'websocket', identity: undefined }],
      ['connect', { identity, transport: 'websocket', durationMs: expect.any(Number) }],
      ['join', { ...handled, event: 'phx_join', outcome: 'ok' }],
      ['event', { ...handled, event: 'echo', outcome: 'ok' }],
      ['deny', { identity, reason: 'not yours' }],
      ['event', { ...handled, event: 'deny', outcome: 'error' }],
      ['reject', { ...rejected, event: 'unknown' }],
      ['event', { ...handled, event: 'later', outcome: 'noreply' }],
      ['event', { ...handled, event: 'crash', outcome: 'crash' }],
      ['close', { identity, transport: 'websocket', code: 1005, durationMs: expect.any(Number) }],
    ])
  })

  it('that fails is logged and harms nothing', async () => {
    const server = await startRealtime([room({})], {
      telemetry: {
        join() {
          throw new Error('a bug')
        },
      },
    })
    const client = await joined(server)
    expect(await client.settled()).toEqual([])
    expect(server.crashes).toHaveLength(1)
  })
})
