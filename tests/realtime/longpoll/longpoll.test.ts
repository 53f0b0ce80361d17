import { setImmediate as tick } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Nodes } from '../../../src/realtime/cluster/nodes.ts'
import { eventually } from '../../support/eventually.ts'
import { InProcessBackplane } from '../../support/in-process-backplane.ts'
import { PollClient } from '../../support/poll-client.ts'
import { startRealtime } from '../../support/realtime-server.ts'
import { roomChannel } from '../socket/room-channel.ts'

const JOIN = ['1', '1', 'room:a', 'phx_join', {}]
const WINDOW_MS = 10_000
const PATIENCE_MS = 15_000

type Options = Exclude<Parameters<typeof startRealtime>[1], undefined | ((...args: never) => unknown)>

async function start(options: Options & { log?: string[] } = {}) {
  const { log, ...overrides } = options
  const server = await startRealtime([roomChannel(log ? { log } : {})], overrides)
  const client = (user = 'ann', more = {}) => new PollClient(server.url, { params: { token: user }, ...more })
  return { ...server, client, open: (user?: string, more?: object) => client(user, more).open() }
}

/** The same, joined to `room:a`, after the reply to the join was read. */
async function startJoined(options: Parameters<typeof start>[0] = {}) {
  const server = await start(options)
  const ann = await server.open()
  await ann.send(JOIN)
  await ann.frames()
  return { ...server, ann }
}

describe('a session', () => {
  it('is opened by a request without a session token, which returns one', async () => {
    const { client } = await start()
    const ann = client()
    const first = await ann.poll()
    expect(first).toEqual({ status: 410, token: expect.any(String), messages: [] })
    ann.token = first.token
    expect(await ann.send(JOIN)).toEqual({ status: 200 })
    expect(await ann.poll()).toEqual({
      status: 200,
      token: first.token,
      messages: [
        '["1","1","room:a","phx_reply",{"status":"ok","response":{"joined":"a"}}]',
        '["1",null,"room:a","welcome",{"name":"a"}]',
      ],
    })
  })

  it.each(['bad', ''])('is refused with 403 for the token %j', async (token) => {
    const { client } = await start()
    expect(await client(token).poll()).toEqual({ status: 403 })
  })

  it('is refused without a token, or with an unsupported version', async () => {
    const { url, client } = await start()
    expect(await new PollClient(url).poll()).toEqual({ status: 403 })
    expect(await client('ann', { vsn: '123.1.1' }).poll()).toEqual({ status: 403 })
  })

  it('accepts the token in the header of phoenix.js 1.8', async () => {
    const { url } = await start()
    const ann = new PollClient(url, { headers: { 'x-phoenix-authtoken': 'ann' } })
    expect((await ann.poll()).status).toBe(410)
    const bad = new PollClient(url, { headers: { 'x-phoenix-authtoken': 'bad' } })
    expect((await bad.poll()).status).toBe(403)
  })

  it('counts as a join for the rate limit', async () => {
    const { client, clock } = await start({ rateLimit: { eventsPerSecond: 1, eventBurst: 5, joinBurst: 3 } })
    const statuses = []
    for (let i = 0; i < 4; i++) statuses.push((await client().poll()).status)
    expect(statuses).toEqual([410, 410, 410, 500])
    expect((await client('bob').poll()).status).toBe(410)
    clock.advance(1_000)
    expect((await client().poll()).status).toBe(410)
  })

  it('cannot be forged', async () => {
    const { ann, client } = await startJoined()
    const [nodeId, id, signature] = ann.token!.split('.')
    for (const token of [
      'undefined',
      `${nodeId}.${id}`,
      `${nodeId}.${id}.${'A'.repeat(43)}`,
      `x.${id}.${signature}`,
    ]) {
      const mallory = client('mallory')
      mallory.token = token
      expect(await mallory.send(['1', '2', 'room:a', 'broadcast', 'mine']), token).toEqual({ status: 410 })
      expect((await mallory.poll()).token).not.toBe(ann.token)
    }
  })

  it('ends after 15 s without a poll, and its channels leave', async () => {
    const log: string[] = []
    const { ann, clock, endpoint } = await startJoined({ log })
    clock.advance(PATIENCE_MS - 1_000)
    expect(endpoint.connectionCount).toBe(1)
    clock.advance(2_000)
    expect(endpoint.connectionCount).toBe(0)
    expect(log).toEqual(['ann left room:a'])
    expect(await ann.send(['1', '2', 'room:a', 'echo', 1])).toEqual({ status: 410 })
    expect(await ann.poll()).toMatchObject({ status: 410, token: expect.not.stringMatching(ann.token!) })
  })

  it('that replaces another ends at the first poll of a client that relies on its old joins', async () => {
    const { ann, clock } = await startJoined()
    clock.advance(PATIENCE_MS)
    ann.token = (await ann.poll()).token
    expect((await ann.poll()).status).toBe(500)
  })

  it('that replaces another continues for a client that joins in it', async () => {
    const { ann, clock } = await startJoined()
    clock.advance(PATIENCE_MS)
    ann.token = (await ann.poll()).token
    expect(await ann.send(JOIN)).toEqual({ status: 200 })
    expect(await ann.frames()).toHaveLength(2)
  })

  it('ends with the session of its user', async () => {
    const { ann, http, endpoint, client } = await startJoined()
    const poll = await ann.startPoll(http)
    endpoint.disconnect(({ sessionId }) => sessionId === 'session-ann')
    expect((await poll.answer).status).toBe(410)
    expect(await ann.send(['1', '2', 'room:a', 'echo', 1])).toEqual({ status: 410 })
    expect((await client('bad').poll()).status).toBe(403)
  })
})

describe('a poll', () => {
  it('waits for messages, and returns all messages of a tick', async () => {
    const { ann, http, endpoint } = await startJoined()
    const poll = await ann.startPoll(http)
    endpoint.pubsub.broadcast('room:a', 'first', {})
    endpoint.pubsub.broadcast('room:a', 'second', {})
    expect(await poll.frames()).toEqual([
      [null, null, 'room:a', 'first', {}],
      [null, null, 'room:a', 'second', {}],
    ])
  })

  it('is answered with 204 after 10 s without messages', async () => {
    const { ann, http, clock } = await startJoined()
    const poll = await ann.startPoll(http)
    clock.advance(WINDOW_MS)
    expect(await poll.answer).toEqual({ status: 204, messages: [], token: ann.token })
  })

  it('is answered when the next one arrives', async () => {
    const { ann, http, endpoint } = await startJoined()
    const first = await ann.startPoll(http)
    const second = await ann.startPoll(http)
    expect((await first.answer).status).toBe(204)
    endpoint.pubsub.broadcast('room:a', 'news', {})
    expect(await second.frames()).toEqual([[null, null, 'room:a', 'news', {}]])
  })

  it('that the client cancels loses no message', async () => {
    const { ann, http, endpoint } = await startJoined()
    const giveUp = new AbortController()
    const poll = await ann.startPoll(http, giveUp.signal)
    giveUp.abort()
    await expect(poll.answer).rejects.toThrow()
    await poll.left
    endpoint.pubsub.broadcast('room:a', 'news', {})
    expect(await ann.frames()).toEqual([[null, null, 'room:a', 'news', {}]])
  })

  it('keeps its session alive', async () => {
    const { ann, http, clock, endpoint } = await startJoined()
    for (let i = 0; i < 10; i++) {
      const poll = await ann.startPoll(http)
      clock.advance(WINDOW_MS)
      expect((await poll.answer).status).toBe(204)
    }
    expect(endpoint.connectionCount).toBe(1)
  })
})

describe('a post', () => {
  it('may contain many messages, one per line, which are handled in order', async () => {
    const { ann } = await startJoined()
    const lines = Array.from({ length: 50 }, (_, i) => JSON.stringify(['1', `${i}`, 'room:a', 'echo', i]))
    expect(await ann.sendBatch(...lines, '')).toEqual({ status: 200 })
    expect((await ann.frames()).map(([, ref]) => ref)).toEqual(lines.map((_, i) => `${i}`))
  })

  it('needs no content type', async () => {
    const { ann } = await startJoined()
    const body = Buffer.from('["1","2","room:a","phx_leave",{}]')
    expect(await ann.request('POST', { body })).toEqual({ status: 200 })
    expect((await ann.frames()).map(([, , , event]) => event)).toEqual(['phx_reply', 'phx_close'])
  })

  it('to a topic that is not joined is answered', async () => {
    const { ann } = await startJoined()
    await ann.send([null, '12', 'room:other', 'echo', {}])
    expect(await ann.frames()).toEqual([
      [null, '12', 'room:other', 'phx_reply', { status: 'error', response: { reason: 'unmatched topic' } }],
    ])
  })

  it.each(['1.0.0', undefined])('may use version %s', async (vsn) => {
    const { url } = await start()
    const ann = new PollClient(url, { params: { token: 'ann' }, vsn: vsn ?? '1.0.0' })
    await ann.open()
    await ann.send({ topic: 'room:a', event: 'phx_join', ref: '1', payload: {} })
    expect(await ann.frames()).toEqual([
      { topic: 'room:a', event: 'phx_reply', ref: '1', payload: { status: 'ok', response: { joined: 'a' } } },
      { topic: 'room:a', event: 'welcome', ref: null, payload: { name: 'a' } },
    ])
  })

  it('may contain bytes, raw or as base64; replies contain base64', async () => {
    const { ann } = await startJoined()
    const push = Buffer.concat([
      Buffer.from([0, 1, 1, 6, 5]),
      Buffer.from('12room:abytes'),
      Buffer.from([1, 2, 3]),
    ])
    const answer = [
      [null, null, 'room:a', 'bytes', 'AQID'],
      ['1', '2', 'room:a', 'phx_reply', { status: 'ok', response: 'AQID' }],
    ]
    await ann.sendBatch(push.toString('base64'))
    expect(await ann.frames()).toEqual(answer)
    await ann.request('POST', { body: push, type: 'application/json' })
    expect(await ann.frames()).toEqual(answer)
  })

  it.each([
    ['is no frame', '["1","2","room:a"]'],
    ['is neither JSON nor base64', 'hello'],
    ['is too long', JSON.stringify(['1', '2', 'room:a', 'echo', 'x'.repeat(3_000)])],
    ['has too much of it', JSON.stringify(['1', '2', 'room:a', 'echo', 'x'.repeat(30_000)])],
  ])('ends its session when it %s, without affecting others', async (_name, line) => {
    const { ann, open, connect } = await startJoined({ maxFrameBytes: 2_048 })
    const bob = await open('bob')
    expect((await ann.sendBatch(line)).status).toBe(500)
    await bob.send(JOIN)
    expect(await bob.frames()).toHaveLength(2)
    expect(await (await connect('carol')).settled()).toEqual([])
  })

  it('may contain anything: it is answered, and does not affect others', async () => {
    const { url, crashes, connect } = await startJoined()
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      fc.base64String(),
      fc.constant('["1","1","room:a","phx_join",{}]'),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.boolean(), async (lines, isBatch) => {
        const ann = await new PollClient(url, { params: { token: 'ann' } }).open()
        const type = isBatch ? 'application/x-ndjson' : 'text/plain'
        const { status } = await ann.request('POST', { body: lines.join('\n'), type })
        expect([200, 500]).toContain(status)
      }),
      { numRuns: 50 },
    )
    expect(crashes).toEqual([])
    expect(await (await connect('bob')).settled()).toEqual([])
  })

  it('counts towards the rate limits of its user', async () => {
    const rateLimit = { eventsPerSecond: 1, eventBurst: 2, joinBurst: 5 }
    const { ann } = await startJoined({ rateLimit })
    await ann.sendBatch(...[1, 2, 3].map((ref) => JSON.stringify(['1', `${ref}`, 'room:a', 'echo', {}])))
    const replies = await ann.frames()
    expect(replies.map(([, , , , { status }]) => status)).toEqual(['ok', 'ok', 'error'])
    expect(replies[2][4].response).toMatchObject({ reason: 'rate_limited' })
  })
})

describe('the buffer of a session', () => {
  it('ends the session when it exceeds eight times the limit', async () => {
    const { ann, endpoint } = await startJoined({ maxBufferedBytes: 1_000 })
    for (let i = 0; i < 9; i++) endpoint.pubsub.broadcast('room:a', 'part', 'x'.repeat(1_000))
    expect(endpoint.connectionCount).toBe(0)
    expect((await ann.poll()).status).toBe(410)
  })

  it('may exceed the limit for 5 s', async () => {
    const { ann, clock, endpoint } = await startJoined({ maxBufferedBytes: 1_000 })
    for (let i = 0; i < 2; i++) endpoint.pubsub.broadcast('room:a', 'part', 'x'.repeat(1_000))
    clock.advance(4_000)
    expect(await ann.frames()).toHaveLength(2)
    for (let i = 0; i < 2; i++) endpoint.pubsub.broadcast('room:a', 'part', 'x'.repeat(1_000))
    clock.advance(7_000)
    expect(endpoint.connectionCount).toBe(0)
  })
})

describe('draining', () => {
  it('answers pending polls with 500, and refuses new sessions', async () => {
    const { ann, http, endpoint, client, open } = await startJoined()
    const bob = await open('bob')
    const poll = await ann.startPoll(http)
    endpoint.pubsub.broadcast('room:a', 'last', {})
    await endpoint.drain()
    expect((await poll.answer).messages).toEqual(['[null,null,"room:a","last",{}]'])
    expect((await ann.poll()).status).toBe(500)
    expect((await bob.send(JOIN)).status).toBe(500)
    expect((await client('carol').poll()).status).toBe(500)
  })
})

describe('pages', () => {
  const SITE = 'https://chat.example.com'

  it('of any origin may connect, or only of the configured origins', async () => {
    const anywhere = await start()
    const response = await anywhere.client('ann', { headers: { origin: SITE } }).fetch('GET')
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('cache-control')).toBe('no-store')

    const { client, ann } = await startJoined({ allowedOrigins: [SITE] })
    const named = await client('ann', { headers: { origin: SITE } }).fetch('GET')
    expect(named.headers.get('access-control-allow-origin')).toBe(SITE)
    const other = client('ann', { headers: { origin: 'https://evil.example.com' } })
    const refused = await other.fetch('GET')
    expect(refused.headers.has('access-control-allow-origin')).toBe(false)
    expect(await refused.json()).toEqual({ status: 403 })
    other.token = ann.token
    expect(await other.send(JOIN)).toEqual({ status: 403 })
    expect(await other.poll()).toEqual({ status: 403 })
  })

  it('receive the CORS headers of a preflight request', async () => {
    const { url } = await start({ allowedOrigins: [SITE] })
    const response = await fetch(`${url.replace('ws', 'http')}/longpoll?vsn=2.0.0`, {
      method: 'OPTIONS',
      headers: {
        origin: SITE,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type, x-phoenix-authtoken',
      },
    })
    expect(response.status).toBe(204)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': SITE,
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'content-type, x-phoenix-authtoken',
    })
  })
})

describe('with several nodes', () => {
  async function startNodes() {
    const backplanes = InProcessBackplane.group(2)
    const servers = await Promise.all(
      backplanes.map((backplane) =>
        startRealtime([roomChannel()], (clock) => ({ nodes: new Nodes(backplane, clock) })),
      ),
    )
    const [one, two] = servers as [(typeof servers)[0], (typeof servers)[0]]
    const ann = await new PollClient(one.url, { params: { token: 'ann' } }).open()
    await eventually(() => expect(two.endpoint.nodes.count).toBe(2))
    const elsewhere = new PollClient(two.url, { params: { token: 'ann' } })
    elsewhere.token = ann.token
    const startPoll = async (signal?: AbortSignal) => {
      const poll = await elsewhere.startPoll(two.http, signal)
      await heardByAll()
      return poll
    }
    return { one, two, ann, elsewhere, startPoll, backplanes }
  }

  /** Messages between nodes take one tick each way. */
  async function heardByAll(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await tick()
  }

  it('a session accepts requests on all nodes', async () => {
    const { one, ann, elsewhere, startPoll } = await startNodes()
    expect(await elsewhere.send(JOIN)).toEqual({ status: 200 })
    expect(await elsewhere.frames()).toHaveLength(2)
    const poll = await startPoll()
    one.endpoint.pubsub.broadcast('room:a', 'news', {})
    expect(await poll.frames()).toEqual([[null, null, 'room:a', 'news', {}]])
    await elsewhere.sendBatch('["1","2","room:a","echo","there"]', '["1","3","room:a","echo","and here"]')
    expect(await ann.frames()).toHaveLength(2)
  })

  it('a poll on another node waits as long as on its own', async () => {
    const { one, two, elsewhere, startPoll } = await startNodes()
    const poll = await startPoll()
    // In steps, so that heartbeats are exchanged meanwhile.
    for (let passed = 0; passed < WINDOW_MS; passed += 1_000) {
      for (const { clock } of [two, one]) clock.advance(1_000)
      await heardByAll()
    }
    expect(await poll.answer).toEqual({ status: 204, messages: [], token: elsewhere.token })
  })

  it('a poll that is cancelled on another node loses no message', async () => {
    const { one, ann, startPoll } = await startNodes()
    await ann.send(JOIN)
    await ann.frames()
    const giveUp = new AbortController()
    const poll = await startPoll(giveUp.signal)
    giveUp.abort()
    await expect(poll.answer).rejects.toThrow()
    await poll.left
    await heardByAll()
    one.endpoint.pubsub.broadcast('room:a', 'news', {})
    expect(await ann.frames()).toEqual([[null, null, 'room:a', 'news', {}]])
  })

  it('a session of an unresponsive node ends, and a new one opens on this node', async () => {
    const { two, elsewhere, startPoll, backplanes } = await startNodes()
    await backplanes[0]!.close()
    const poll = await startPoll()
    two.clock.advance(5_000)
    const { status, token } = await poll.answer
    expect(status).toBe(410)
    elsewhere.token = token
    expect(await elsewhere.send(JOIN)).toEqual({ status: 200 })
    expect(await elsewhere.frames()).toHaveLength(2)
  })

  it('a session of a lost node ends immediately, which answers pending polls', async () => {
    const { one, elsewhere, startPoll } = await startNodes()
    const poll = await startPoll()
    one.endpoint.nodes.stop()
    expect((await poll.answer).status).toBe(410)
    expect(await elsewhere.send(JOIN)).toEqual({ status: 410 })
  })

  it('a session that its node no longer has ends', async () => {
    const { one, elsewhere } = await startNodes()
    one.clock.advance(PATIENCE_MS + 1_000)
    expect(await elsewhere.send(JOIN)).toEqual({ status: 410 })
    expect((await elsewhere.poll()).status).toBe(410)
  })
})
