import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../support/eventually.ts'
import { startRealtime } from '../../support/realtime-server.ts'
import { Gate, roomChannel } from './room-channel.ts'

const ok = (response: unknown) => ({ status: 'ok', response })
const error = (response: unknown) => ({ status: 'error', response })

describe('a join', () => {
  it('is answered before pushes, all with the join_ref', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const client = await connect()
    client.send(['1', '1', 'room:a', 'phx_join', {}])
    expect(await client.take()).toEqual(['1', '1', 'room:a', 'phx_reply', ok({ joined: 'a' })])
    expect(await client.take()).toEqual(['1', null, 'room:a', 'welcome', { name: 'a' }])
  })

  it('of an unmatched topic is refused permanently', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const client = await connect()
    client.send(['3', '4', 'nowhere', 'phx_join', {}])
    expect(await client.take()).toEqual([
      null,
      '4',
      'nowhere',
      'phx_reply',
      error({ reason: 'unmatched topic' }),
    ])
    expect(await client.take()).toEqual(['3', '3', 'nowhere', 'phx_close', {}])
  })

  it('accepts topics of up to 255 characters', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const client = await connect()
    const topic = `room:${'a'.repeat(250)}`
    expect((await client.call(['1', '1', topic, 'phx_join', {}]))[4]).toMatchObject({ status: 'ok' })
    expect((await client.call(['2', '2', `${topic}a`, 'phx_join', {}]))[4]).toEqual(
      error({ reason: 'unmatched topic' }),
    )
  })

  it('is closed after a permanent refusal, and not after a temporary one', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const client = await connect()
    client.send(['1', '1', 'room:a', 'phx_join', { outcome: 'reject_permanently' }])
    expect(await client.take()).toEqual(['1', '1', 'room:a', 'phx_reply', error('never')])
    expect(await client.take()).toEqual(['1', '1', 'room:a', 'phx_close', {}])
    expect(await client.call(['2', '2', 'room:a', 'phx_join', { outcome: 'reject' }])).toEqual([
      '2',
      '2',
      'room:a',
      'phx_reply',
      error({ reason: 'not now' }),
    ])
    expect(await client.settled()).toEqual([])
    expect((await client.call(['2', '3', 'room:a', 'echo', 1]))[4]).toEqual(
      error({ reason: 'unmatched topic' }),
    )
  })

  it('that crashes is answered and logged once, and can be retried', async () => {
    const { connect, crashes } = await startRealtime([roomChannel()])
    const client = await connect()
    expect((await client.call(['1', '1', 'room:a', 'phx_join', { outcome: 'crash' }]))[4]).toEqual(
      error({ reason: 'join crashed' }),
    )
    expect(await client.settled()).toEqual([])
    expect(crashes).toMatchObject([{ topic: 'room:a', event: 'phx_join', err: { message: 'a bug in join' } }])
    expect((await client.call(['2', '2', 'room:a', 'phx_join', {}]))[4]).toEqual(ok({ joined: 'a' }))
  })

  it('is refused beyond the maximum number of topics, until one is left', async () => {
    const { connect } = await startRealtime([roomChannel()], { maxChannels: 2 })
    const client = await connect()
    for (const ref of ['1', '2']) await client.call([ref, ref, `room:${ref}`, 'phx_join', {}])
    expect((await client.call(['3', '3', 'room:3', 'phx_join', {}]))[4]).toEqual(
      error({ reason: 'too many channels joined' }),
    )
    await client.call(['1', '4', 'room:1', 'phx_leave', {}])
    expect((await client.call(['5', '5', 'room:3', 'phx_join', {}]))[4]).toEqual(ok({ joined: '3' }))
  })

  it('delivers broadcasts of the meantime after the reply', async () => {
    const gate = new Gate()
    const { connect, endpoint } = await startRealtime([roomChannel({ gate })])
    const client = await connect()
    client.send(['1', '1', 'room:a', 'phx_join', { outcome: 'wait' }])
    await client.settled()
    endpoint.pubsub.broadcast('room:a', 'joining', { second: true })
    gate.open()
    expect([
      await client.take(),
      await client.take(),
      await client.take(),
      await client.take(),
    ]).toMatchObject([
      ['1', '1', 'room:a', 'phx_reply', {}],
      ['1', null, 'room:a', 'welcome', {}],
      [null, null, 'room:a', 'joining', { while: 'joining' }],
      [null, null, 'room:a', 'joining', { second: true }],
    ])
  })

  it('queues messages of the meantime in order, and refuses them if it fails', async () => {
    const gate = new Gate()
    const { connect } = await startRealtime([roomChannel({ gate })])
    const client = await connect()
    client.send(
      ['1', '1', 'room:a', 'phx_join', { outcome: 'wait' }],
      ['1', '2', 'room:a', 'echo', 'x'],
      ['1', '3', 'room:a', 'phx_leave', {}],
    )
    gate.open()
    const replies = [1, 2, 3].map(() => client.event('phx_reply'))
    expect((await Promise.all(replies)).map((frame) => frame[1])).toEqual(['1', '2', '3'])
    client.send(['4', '4', 'room:a', 'phx_join', { outcome: 'reject' }], ['4', '5', 'room:a', 'echo', 'x'])
    await client.event('phx_reply')
    expect((await client.event('phx_reply'))[4]).toEqual(error({ reason: 'unmatched topic' }))
  })

  it('that is queued leaves nothing behind when the client disconnects', async () => {
    const gate = new Gate()
    const { connect, endpoint } = await startRealtime([roomChannel({ gate })])
    const client = await connect()
    client.send(
      ['1', '1', 'room:a', 'phx_join', { outcome: 'wait' }],
      ['2', '2', 'room:a', 'phx_join', {}],
      ['3', '3', 'room:b', 'phx_join', {}],
    )
    await client.event('welcome')
    client.terminate()
    await eventually(() => expect(endpoint.connectionCount).toBe(0))
    gate.open()
    await setImmediate()
    expect(['room:a', 'room:b'].map((topic) => endpoint.pubsub.subscribers(topic).size)).toEqual([0, 0])
  })

  it('of a joined topic is answered, then the old channel is closed with its own ref', async () => {
    const log: string[] = []
    const { connect } = await startRealtime([roomChannel({ log })])
    const client = await connect()
    await client.call(['1', '1', 'room:a', 'phx_join', {}])
    await client.settled()
    client.send(['2', '2', 'room:a', 'phx_join', {}])
    expect(await client.settled()).toMatchObject([
      ['2', '2', 'room:a', 'phx_reply', { status: 'ok' }],
      ['2', null, 'room:a', 'welcome', {}],
      ['1', '1', 'room:a', 'phx_close', {}],
    ])
    expect(log).toEqual(['ann left room:a'])
    expect((await client.call(['2', '3', 'room:a', 'echo', 'still there']))[4]).toEqual(ok('still there'))
  })
})

describe('a push', () => {
  it('is answered with its unchanged ref', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const client = await connect()
    await client.call([1, 1, 'room:a', 'phx_join', {}])
    expect(await client.call([1, 2.5, 'room:a', 'echo', ['any', null]])).toEqual([
      1,
      2.5,
      'room:a',
      'phx_reply',
      ok(['any', null]),
    ])
  })

  it('to a topic that is not joined is refused', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const client = await connect()
    expect(await client.call(['1', '1', 'room:a', 'echo', {}])).toEqual([
      null,
      '1',
      'room:a',
      'phx_reply',
      error({ reason: 'unmatched topic' }),
    ])
  })

  it('of an unknown event is refused, including names of inherited object properties', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const client = await connect()
    await client.call(['1', '1', 'room:a', 'phx_join', {}])
    for (const event of ['nothing', 'constructor', '__proto__', 'toString', '']) {
      expect((await client.call(['1', event, 'room:a', event, {}]))[4]).toEqual(
        error({ reason: 'unknown_event' }),
      )
    }
  })

  it('with a stale join_ref is dropped, without one it is accepted', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const client = await connect()
    await client.call(['1', '1', 'room:a', 'phx_join', {}])
    await client.call(['2', '2', 'room:a', 'phx_join', {}])
    await client.settled()
    client.send(['1', '3', 'room:a', 'echo', 'stale'], ['1', '4', 'room:a', 'phx_leave', {}])
    expect(await client.settled()).toEqual([])
    expect(await client.call([null, '5', 'room:a', 'echo', 'taken'])).toEqual([
      '2',
      '5',
      'room:a',
      'phx_reply',
      ok('taken'),
    ])
  })

  it('that broadcasts reaches all subscribers, and the sender before its reply', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const [ann, bob] = [await connect('ann'), await connect('bob')]
    for (const client of [ann, bob]) {
      await client.call(['1', '1', 'room:a', 'phx_join', {}])
      await client.settled()
    }
    ann.send(['1', '2', 'room:a', 'broadcast', { text: 'hi' }])
    expect(await ann.take()).toEqual([null, null, 'room:a', 'message', { text: 'hi' }])
    expect(await ann.take()).toMatchObject(['1', '2', 'room:a', 'phx_reply', { status: 'ok' }])
    expect(await bob.take()).toEqual([null, null, 'room:a', 'message', { text: 'hi' }])
  })

  it('runs after earlier ones, except that concurrent events run alongside each other', async () => {
    const gate = new Gate()
    const log: string[] = []
    const { connect } = await startRealtime([roomChannel({ gate, log })])
    const client = await connect()
    await client.call(['1', '1', 'room:a', 'phx_join', {}])
    const events = ['concurrent', 'concurrent', 'sequential', 'concurrent']
    client.send(...events.map((event, i) => ['1', `r${i}`, 'room:a', event, i]))
    await client.settled()
    expect(log).toEqual(['concurrent 0 starts', 'concurrent 1 starts'])
    gate.open()
    await client.take((frame) => (frame as unknown[])[1] === 'r3')
    expect(log.slice(2)).toEqual([
      'concurrent 0 ends',
      'concurrent 1 ends',
      'sequential 2 starts',
      'sequential 2 ends',
      'concurrent 3 starts',
      'concurrent 3 ends',
    ])
  })

  it('that is refused is answered with the reason', async () => {
    const { connect, crashes } = await startRealtime([roomChannel()])
    const client = await connect()
    await client.call(['1', '1', 'room:a', 'phx_join', {}])
    expect((await client.call(['1', '2', 'room:a', 'reject', {}]))[4]).toEqual(error('rejected'))
    expect(crashes).toEqual([])
  })

  it.each(['crash', 'crash_async'])(
    'closes its channel with phx_error when its handler throws (%s), and no other channel',
    async (event) => {
      const { connect, crashes } = await startRealtime([roomChannel()])
      const client = await connect()
      await client.call(['1', '1', 'room:a', 'phx_join', {}])
      await client.call(['2', '2', 'room:b', 'phx_join', {}])
      client.send(['1', '3', 'room:a', event, {}])
      expect(await client.event('phx_error')).toEqual([
        '1',
        '1',
        'room:a',
        'phx_error',
        { reason: 'channel_crash' },
      ])
      expect(crashes).toMatchObject([{ topic: 'room:a', event }])
      expect((await client.call(['1', '4', 'room:a', 'echo', 1]))[4]).toEqual(
        error({ reason: 'unmatched topic' }),
      )
      expect((await client.call(['2', '5', 'room:b', 'echo', 1]))[4]).toEqual(ok(1))
    },
  )

  it('may contain bytes in both directions', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const client = await connect()
    await client.call(['1', '1', 'room:a', 'phx_join', {}])
    await client.settled()
    client.sendRaw(
      Buffer.concat([Buffer.from([0, 1, 1, 6, 5]), Buffer.from('12room:abytes'), Buffer.from([1, 2, 3])]),
    )
    expect(await client.take()).toEqual(
      Buffer.concat([Buffer.from([2, 6, 5]), Buffer.from('room:abytes'), Buffer.from([1, 2, 3])]),
    )
    expect(await client.take()).toEqual(
      Buffer.concat([Buffer.from([1, 1, 1, 6, 2]), Buffer.from('12room:aok'), Buffer.from([1, 2, 3])]),
    )
  })

  it('is rate-limited per user, with the time to retry in the reply', async () => {
    const { connect, clock } = await startRealtime([roomChannel()], {
      rateLimit: { eventsPerSecond: 10, eventBurst: 2, joinBurst: 5 },
    })
    const [first, second] = [await connect('ann'), await connect('ann')]
    for (const client of [first, second]) await client.call(['1', '1', 'room:a', 'phx_join', {}])
    expect((await first.call(['1', '2', 'room:a', 'echo', 1]))[4]).toEqual(ok(1))
    expect((await second.call(['1', '2', 'room:a', 'echo', 1]))[4]).toEqual(ok(1))
    expect(await first.call(['1', '3', 'room:a', 'echo', 1])).toEqual([
      '1',
      '3',
      'room:a',
      'phx_reply',
      error({ reason: 'rate_limited', retry_after_ms: 100 }),
    ])
    expect(await first.settled()).toEqual([['1', null, 'room:a', 'welcome', { name: 'a' }]])
    clock.advance(100)
    expect((await first.call(['1', '4', 'room:a', 'echo', 1]))[4]).toEqual(ok(1))
    const bob = await connect('bob')
    await bob.call(['1', '1', 'room:a', 'phx_join', {}])
    expect((await bob.call(['1', '2', 'room:a', 'echo', 1]))[4]).toEqual(ok(1))
  })
})

describe('a leave', () => {
  it('is answered, then closed', async () => {
    const log: string[] = []
    const { connect } = await startRealtime([roomChannel({ log })])
    const client = await connect()
    await client.call(['1', '1', 'room:a', 'phx_join', {}])
    await client.settled()
    client.send(['1', '2', 'room:a', 'phx_leave', {}])
    expect(await client.take()).toEqual(['1', '2', 'room:a', 'phx_reply', ok({})])
    expect(await client.take()).toEqual(['1', '1', 'room:a', 'phx_close', {}])
    expect(log).toEqual(['ann left room:a'])
  })

  it('of a topic that is not joined is answered with ok', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const client = await connect()
    expect(await client.call(['1', '1', 'room:a', 'phx_leave', {}])).toEqual([
      '1',
      '1',
      'room:a',
      'phx_reply',
      ok({}),
    ])
    expect(await client.settled()).toEqual([])
  })

  it('by the server sends phx_close after the reply to the running event', async () => {
    const { connect, endpoint } = await startRealtime([roomChannel()])
    const [client, other] = [await connect('ann'), await connect('ann')]
    for (const one of [client, other]) {
      await one.call(['1', '1', 'room:a', 'phx_join', {}])
      await one.settled()
    }
    client.send(['1', '2', 'room:a', 'close_me', {}])
    expect(await client.take()).toEqual(['1', '2', 'room:a', 'phx_reply', ok('closing')])
    expect(await client.take()).toEqual(['1', '1', 'room:a', 'phx_close', {}])
    endpoint.closeChannels('room:a', 'ann')
    expect(await other.take()).toEqual(['1', '1', 'room:a', 'phx_close', {}])
    endpoint.pubsub.broadcast('room:a', 'message', {})
    expect([await client.settled(), await other.settled()]).toEqual([[], []])
  })

  it('happens when the connection is lost', async () => {
    const left = new Gate()
    const { connect } = await startRealtime([roomChannel({ log: { push: () => left.open() } as never })])
    const client = await connect()
    await client.call(['1', '1', 'room:a', 'phx_join', {}])
    client.terminate()
    await left.opened
  })
})

it('supports version 1: objects, and refs instead of join_refs', async () => {
  const { connect } = await startRealtime([roomChannel()])
  const client = await connect('ann', { vsn: '1.0.0' })
  client.send({ topic: 'room:a', event: 'phx_join', payload: {}, ref: '1' })
  expect(await client.take()).toEqual({
    topic: 'room:a',
    event: 'phx_reply',
    payload: { status: 'ok', response: { joined: 'a' } },
    ref: '1',
  })
  expect(await client.take()).toEqual({
    topic: 'room:a',
    event: 'welcome',
    payload: { name: 'a' },
    ref: null,
  })
  client.send({ topic: 'room:a', event: 'broadcast', payload: 'x', ref: '2' })
  expect(await client.take()).toEqual({ topic: 'room:a', event: 'message', payload: 'x', ref: null })
  await client.take()
  client.send({ topic: 'room:a', event: 'phx_join', payload: {}, ref: '3' })
  await client.take()
  await client.take()
  expect(await client.take()).toEqual({ topic: 'room:a', event: 'phx_close', payload: {}, ref: '1' })
})
