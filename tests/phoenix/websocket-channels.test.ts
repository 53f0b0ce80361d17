import { describe, expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import type { LiteralClient } from '../support/literal-client.ts'
import { error, ok, startPhoenix, VERSIONS } from './fixture.ts'

/* The cases of Phoenix's test/phoenix/integration/websocket_channels_test.exs. docs/phoenix-tests.md lists all of them. */

describe.each(VERSIONS)('with $vsn serializer', ({ vsn, joinRef, text }) => {
  const query = `token=ann&vsn=${vsn}`
  /** Version 1 identifies a join by its ref. */
  const join = (topic: string, ref = '1', join_ref = joinRef) =>
    text({ join_ref, ref, topic, event: 'phx_join', payload: {} })
  const reply = (topic: string, ref: string, payload: unknown, join_ref = joinRef) =>
    text({ join_ref, ref, topic, event: 'phx_reply', payload })
  const entered = (topic: string) => [
    text({
      join_ref: joinRef,
      topic,
      event: 'joined',
      payload: { status: 'connected', user_id: 'ann' },
    }),
    text({ topic, event: 'user_entered', payload: { user: null } }),
  ]
  const closed = (topic: string, ref: string, join_ref = joinRef) =>
    text({ join_ref, ref: join_ref ?? ref, topic, event: 'phx_close', payload: {} })

  async function joined(client: LiteralClient, topic: string) {
    client.send(join(topic))
    expect(await client.take(3)).toEqual([reply(topic, '1', ok()), ...entered(topic)])
  }

  it('join, leave, and event messages', async () => {
    const { connect, log } = await startPhoenix()
    const client = await connect(query)
    await joined(client, 'room:lobby')
    const message = (ref: string, body: string) =>
      text({ join_ref: joinRef, ref, topic: 'room:lobby', event: 'new_msg', payload: { body } })
    client.send(message('2', 'hi!'))
    expect(await client.take(2)).toEqual([
      text({ topic: 'room:lobby', event: 'new_msg', payload: { body: 'hi!' } }),
      reply('room:lobby', '2', ok()),
    ])
    client.send(text({ join_ref: joinRef, ref: '3', topic: 'room:lobby', event: 'phx_leave', payload: {} }))
    expect(await client.take(2)).toEqual([reply('room:lobby', '3', ok()), closed('room:lobby', '1')])
    expect(log).toEqual(['left room:lobby'])
    client.send(message('4', 'Should ignore'))
    expect(await client.next()).toBe(reply('room:lobby', '4', error('unmatched topic'), null))
  })

  it('honors configured max_channels_per_transport', async () => {
    const { connect } = await startPhoenix({ maxChannels: 1 })
    const client = await connect(query)
    await joined(client, 'room:limited-1')
    client.send(join('room:limited-2', '2'))
    expect(await client.next()).toBe(reply('room:limited-2', '2', error('too many channels joined')))
  })

  it('sends phx_error if a channel server abnormally exits', async () => {
    const { connect } = await startPhoenix()
    const client = await connect(query)
    await joined(client, 'room:lobby')
    client.send(text({ join_ref: joinRef, ref: '2', topic: 'room:lobby', event: 'boom', payload: {} }))
    const crash = { topic: 'room:lobby', event: 'phx_error', payload: { reason: 'channel_crash' } }
    expect(await client.next()).toBe(text({ join_ref: joinRef, ref: joinRef ?? '1', ...crash }))
  })

  it('channels are terminated if transport normally exits', async () => {
    const { connect, log } = await startPhoenix()
    const client = await connect(query)
    await joined(client, 'room:lobby')
    client.close()
    await eventually(() => expect(log).toEqual(['left room:lobby']))
  })

  it("refuses websocket events that haven't joined", async () => {
    const { connect } = await startPhoenix()
    const client = await connect(query)
    client.send(text({ join_ref: joinRef, ref: '1', topic: 'room:lobby', event: 'new_msg', payload: {} }))
    expect(await client.next()).toBe(reply('room:lobby', '1', error('unmatched topic'), null))
  })

  it('refuses unallowed origins', async () => {
    const { connect } = await startPhoenix({ allowedOrigins: ['https://example.com'] })
    await connect(query, { headers: { origin: 'https://example.com' } })
    const refused = connect(query, { headers: { origin: 'http://notallowed.com' } })
    await expect(refused).rejects.toMatchObject({ status: 403 })
  })

  it('refuses connects that error with 403 response', async () => {
    const { connect } = await startPhoenix()
    await expect(connect(`token=bad&vsn=${vsn}`)).rejects.toMatchObject({ status: 403 })
  })

  it('refuses connects that error with custom error response', async () => {
    const connectionLimits = { maxConnections: 10, maxConnectionsPerUser: 1, maxConnectionsPerAddress: 10 }
    const { connect } = await startPhoenix({ connectionLimits })
    await connect(query)
    await expect(connect(query)).rejects.toMatchObject({ status: 429 })
  })

  it("shuts down when receiving disconnect broadcasts on socket's id", async () => {
    const { connect, endpoint, log } = await startPhoenix()
    const client = await connect(query)
    await joined(client, 'room:wsdisconnect1')
    await joined(client, 'room:wsdisconnect2')
    endpoint.disconnect(({ userId }) => userId === 'ann')
    expect(await client.closed).toBe(1001)
    expect(log).toEqual(['left room:wsdisconnect1', 'left room:wsdisconnect2'])
  })

  it('duplicate join event closes existing channel', async () => {
    const { connect } = await startPhoenix()
    const client = await connect(query)
    await joined(client, 'room:joiner')
    const again = joinRef && '12'
    client.send(join('room:joiner', '2', again))
    const frames = await client.take(4)
    expect(frames[0]).toBe(reply('room:joiner', '2', ok(), again))
    expect(frames).toContain(closed('room:joiner', '1'))
  })

  it('returns 403 when versions to not match', async () => {
    const { connect } = await startPhoenix()
    await expect(connect('token=ann&vsn=123.1.1')).rejects.toMatchObject({ status: 403 })
  })

  it('accepts later patches of its version', async () => {
    const { connect } = await startPhoenix()
    const client = await connect(query.replace(/0$/, '7'))
    await joined(client, 'room:lobby')
  })

  it('shuts down if client goes quiet', async () => {
    const { connect, clock } = await startPhoenix()
    const client = await connect(query)
    client.send(text({ ref: '1', topic: 'phoenix', event: 'heartbeat', payload: {} }))
    expect(await client.next()).toBe(reply('phoenix', '1', ok(), null))
    clock.advance(76_000)
    expect(await client.closed).toBe(1001)
  })

  it('warns for unmatched topic', async () => {
    const { connect } = await startPhoenix()
    const client = await connect(query)
    client.send(join('unmatched-topic'))
    expect(await client.take(2)).toEqual([
      reply('unmatched-topic', '1', error('unmatched topic'), null),
      closed('unmatched-topic', '1'),
    ])
  })

  it('ignores stale join refs and accepts a nil join ref on phx_leave', async () => {
    const { connect } = await startPhoenix()
    const client = await connect(query)
    await joined(client, 'room:lobby')
    const leave = { topic: 'room:lobby', event: 'phx_leave', payload: {} }
    const stale =
      vsn === '1.0.0'
        ? text({ ref: 's', ...leave }).replace('{', '{"join_ref":"stale",')
        : text({ join_ref: 'stale', ref: 's', ...leave })
    client.send(stale, text({ ref: '2', ...leave }))
    expect(await client.take(2)).toEqual([reply('room:lobby', '2', ok()), closed('room:lobby', '1')])
  })

  it('answers every leave, however fast they come', async () => {
    const rateLimit = { eventsPerSecond: 1, eventBurst: 1, joinBurst: 50 }
    const { connect, log } = await startPhoenix({ rateLimit })
    const client = await connect(query)
    const topics = Array.from({ length: 50 }, (_, i) => `room:${i}`)
    for (const topic of topics) {
      client.send(join(topic))
      await client.take(3)
    }
    const leave = (topic: string) =>
      client.send(text({ join_ref: joinRef, ref: '2', topic, event: 'phx_leave', payload: {} }))
    for (const topic of topics) leave(topic)
    const answers = await client.take(2 * topics.length)
    expect(answers).toEqual(topics.flatMap((topic) => [reply(topic, '2', ok()), closed(topic, '1')]))
    expect(log).toEqual(topics.map((topic) => `left ${topic}`))
    leave('room:never')
    expect(await client.next()).toBe(reply('room:never', '2', ok()))
    client.send(join('room:again'))
    expect(await client.next()).toMatch(/"rate_limited"/)
  })

  it('echoes an integer ref of any size', async () => {
    const { connect } = await startPhoenix()
    const client = await connect(query)
    const heartbeat = text({ ref: 'R', topic: 'phoenix', event: 'heartbeat', payload: {} })
    client.send(heartbeat.replace('"R"', '9007199254740993'))
    expect(await client.next()).toBe(reply('phoenix', 'R', ok(), null).replace('"R"', '9007199254740993'))
  })
})

describe('custom channels', () => {
  it('join, ignore, error, and event messages', async () => {
    const { connect } = await startPhoenix()
    const client = await connect('token=ann&vsn=2.0.0')
    client.send(
      '["11","1","custom:ignore","phx_join",{"action":"ignore"}]',
      '["12","2","custom:error","phx_join",{"action":"error"}]',
      '["13","3","custom:ok","phx_join",{"action":"ok"}]',
      '["13","4","custom:ok","close",{"body":"bye!"}]',
    )
    expect(await client.take(5)).toEqual([
      '["11","1","custom:ignore","phx_reply",{"status":"error","response":{"action":"ignore"}}]',
      '["12","2","custom:error","phx_reply",{"status":"error","response":{"reason":"join crashed"}}]',
      '["13","3","custom:ok","phx_reply",{"status":"ok","response":{"action":"ok"}}]',
      '["13","4","custom:ok","phx_reply",{"status":"ok","response":{}}]',
      '["13","13","custom:ok","phx_close",{}]',
    ])
  })
})

describe('binary', () => {
  it('messages can be pushed and received', async () => {
    const { connect } = await startPhoenix()
    const client = await connect('token=ann&vsn=2.0.0')
    client.send('["11","1","room:bin","phx_join",{}]')
    await client.take(3)
    client.send(Buffer.from('\x00\x02\x01\x08\x0c112room:binbinary_event\x01\x02', 'latin1'))
    expect(await client.take(2)).toEqual([
      Buffer.from('\x00\x02\x08\x0c11room:binbinary_event\x00\x01', 'latin1'),
      Buffer.from('\x01\x02\x01\x08\x02112room:binok\x01\x02\x03\x04', 'latin1'),
    ])
  })

  it('frames may carry version 1 messages', async () => {
    const { connect } = await startPhoenix()
    const client = await connect('token=ann&vsn=1.0.0')
    client.send(Buffer.from('{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}'))
    expect(await client.next()).toBe(
      '{"topic":"phoenix","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}',
    )
  })
})
