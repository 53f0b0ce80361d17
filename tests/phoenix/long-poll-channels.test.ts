import { describe, expect, it } from 'vitest'
import { Nodes } from '../../src/realtime/cluster/nodes.ts'
import { eventually } from '../support/eventually.ts'
import { InProcessBackplane } from '../support/in-process-backplane.ts'
import { PollClient } from '../support/poll-client.ts'
import { error, ok, startPhoenix, VERSIONS } from './fixture.ts'

/* The cases of Phoenix's test/phoenix/integration/long_poll_channels_test.exs. docs/phoenix-tests.md lists all of them. */

/** `local`: the node of the session answers. `pubsub`: another node relays to it. */
describe.each(['local', 'pubsub'] as const)('%s', (mode) => {
  async function start(vsn: string) {
    const backplanes = InProcessBackplane.group(2)
    const [one, two] = await Promise.all(
      backplanes.map((backplane) => startPhoenix((clock) => ({ nodes: new Nodes(backplane, clock) }))),
    )
    await eventually(() => expect(two!.endpoint.nodes.count).toBe(2))
    const opened = await new PollClient(one!.url, { params: { token: 'ann' }, vsn }).open()
    const client = new PollClient((mode === 'local' ? one! : two!).url, { params: { token: 'ann' }, vsn })
    client.token = opened.token
    const post = (body: string, type = 'application/json') => client.request('POST', { body, type })
    return { ...one!, two: two!, client, post }
  }

  /** The messages of a poll, as they arrived. */
  async function messages(client: PollClient): Promise<string[]> {
    return (await client.poll()).messages
  }

  const JOIN = '{"topic":"room:lobby","event":"phx_join","payload":{},"ref":"1"}'
  const JOINED = [
    '{"topic":"room:lobby","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}',
    '{"topic":"room:lobby","event":"joined","payload":{"status":"connected","user_id":"ann"},"ref":null}',
    '{"topic":"room:lobby","event":"user_entered","payload":{"user":null},"ref":null}',
  ]

  it('joins and poll messages', async () => {
    const { client, post, clock, two } = await start('1.0.0')
    expect(await post(JOIN)).toEqual({ status: 200 })
    expect(await messages(client)).toEqual(JOINED)
    const poll = client.poll()
    let status: number | undefined
    void poll.then((answer) => {
      status = answer.status
    })
    await eventually(() => {
      for (const one of [clock, two.clock]) one.advance(1_000)
      expect(status).toBe(204)
    })
  })

  it('publishing events', async () => {
    const { client, post } = await start('1.0.0')
    await post(JOIN)
    const message = '{"topic":"room:lobby","event":"new_msg","ref":"1","payload":{"body":"hi!"}}'
    expect(await post(message)).toEqual({ status: 200 })
    expect(await messages(client)).toContain(
      '{"topic":"room:lobby","event":"new_msg","payload":{"body":"hi!"},"ref":null}',
    )
    expect(await post(message.replace('room:lobby', 'room:private-room'))).toEqual({ status: 200 })
    expect(await messages(client)).toEqual([
      '{"topic":"room:private-room","event":"phx_reply","payload":{"status":"error","response":{"reason":"unmatched topic"}},"ref":"1"}',
    ])
  })

  it('no join_ref is required on non-join messages', async () => {
    const { client, post } = await start('2.0.0')
    await post('["1","1","room:lobby","phx_join",{}]')
    expect(await post('[null,"2","room:lobby","new_msg",{"body":"hi!"}]')).toEqual({ status: 200 })
    expect((await messages(client)).slice(-2)).toEqual([
      '[null,null,"room:lobby","new_msg",{"body":"hi!"}]',
      '["1","2","room:lobby","phx_reply",{"status":"ok","response":{}}]',
    ])
  })

  it('lonpoll publishing batch events on v2 protocol', async () => {
    const { client, post } = await start('2.0.0')
    const type = 'application/x-ndjson'
    await post('["1","1","room:lobby","phx_join",{}]')
    const push = Buffer.from('\x00\x01\x01\x0a\x0314room:lobbybin\x01\x02\x03', 'latin1')
    const lines = [
      '["1","2","room:lobby","new_msg",{"body":"hi1"}]',
      '["1","3","room:lobby","new_msg",{"body":"hi2"}]',
      '["stale","stale","room:lobby","new_msg",{"body":"stale"}]',
      push.toString('base64'),
      '["1","5","room:lobby","new_msg",{"body":"hi3"}]',
    ]
    expect(await post(lines.slice(0, 3).join('\n'), type)).toEqual({ status: 200 })
    expect(await post(lines.slice(3).join('\r\n'), type)).toEqual({ status: 200 })
    expect((await messages(client)).slice(3)).toEqual([
      '[null,null,"room:lobby","new_msg",{"body":"hi1"}]',
      '["1","2","room:lobby","phx_reply",{"status":"ok","response":{}}]',
      '[null,null,"room:lobby","new_msg",{"body":"hi2"}]',
      '["1","3","room:lobby","phx_reply",{"status":"ok","response":{}}]',
      '[null,null,"room:lobby","bin_ack",{}]',
      '["1","4","room:lobby","phx_reply",{"status":"ok","response":{}}]',
      '[null,null,"room:lobby","new_msg",{"body":"hi3"}]',
      '["1","5","room:lobby","phx_reply",{"status":"ok","response":{}}]',
    ])
  })

  it('shuts down after timeout', async () => {
    const { client, post, clock, log } = await start('1.0.0')
    await post(JOIN)
    await messages(client)
    clock.advance(17_000)
    expect(log).toEqual(['left room:lobby'])
    expect((await post(JOIN)).status).toBe(410)
  })
})

it('ignores ndjson batch entries after the first 100', async () => {
  const { url, endpoint } = await startPhoenix()
  const client = await new PollClient(url, { params: { token: 'ann' } }).open()
  await client.send(['1', '1', 'room:a', 'phx_join', {}])
  await client.frames()
  const lines = Array.from({ length: 101 }, (_, i) => `["1","${i}","room:a","phx_reply_to",{}]`)
  expect(await client.sendBatch('', ...lines, '')).toEqual({ status: 200 })
  endpoint.pubsub.broadcast('room:a', 'end', {})
  const refs = (await client.frames()).map(([, ref]) => ref)
  expect(refs).toEqual([...Array.from({ length: 100 }, (_, i) => `${i}`), null])
})

describe.each(VERSIONS)('with $vsn serializer', ({ vsn, joinRef, text }) => {
  async function start(options: Parameters<typeof startPhoenix>[0] = {}) {
    const server = await startPhoenix(options)
    const client = new PollClient(server.url, { params: { token: 'ann' }, vsn })
    const post = (body: string, type = 'application/json') => client.request('POST', { body, type })
    const join = async (topic: string) => {
      if (client.token === undefined) await client.open()
      await post(text({ join_ref: joinRef, ref: '1', topic, event: 'phx_join', payload: {} }))
      return (await client.poll()).messages
    }
    return { ...server, client, post, join }
  }

  it('refuses connects that error with 403 response', async () => {
    const { url } = await start()
    expect(await new PollClient(url, { params: { token: 'bad' }, vsn }).poll()).toEqual({ status: 403 })
  })

  it('refuses unallowed origins', async () => {
    const { url } = await start({ allowedOrigins: ['https://example.com'] })
    const from = (origin: string) =>
      new PollClient(url, { params: { token: 'ann' }, vsn, headers: { origin } }).poll()
    expect((await from('https://example.com')).status).toBe(410)
    expect((await from('http://notallowed.com')).status).toBe(403)
  })

  it('sends phx_error if a channel server abnormally exits', async () => {
    const { client, post, join } = await start()
    await join('room:a')
    await post(text({ join_ref: joinRef, ref: '2', topic: 'room:a', event: 'boom', payload: {} }))
    const crash = { topic: 'room:a', event: 'phx_error', payload: { reason: 'channel_crash' } }
    expect((await client.poll()).messages).toEqual([
      text({ join_ref: joinRef, ref: joinRef ?? '1', ...crash }),
    ])
  })

  it('ignores stale join refs and accepts a nil join ref on phx_leave', async () => {
    const { client, post, join } = await start()
    await join('room:lobby')
    const leave = { topic: 'room:lobby', event: 'phx_leave', payload: {} }
    const stale =
      joinRef === null
        ? text({ ref: 'stale', ...leave }).replace('{', '{"join_ref":"stale",')
        : text({ join_ref: 'stale', ref: 'stale', ...leave })
    expect(await post(stale)).toEqual({ status: 200 })
    expect(await post(text({ ref: '2', ...leave }))).toEqual({ status: 200 })
    expect((await client.poll()).messages).toEqual([
      text({ join_ref: joinRef, ref: '2', topic: 'room:lobby', event: 'phx_reply', payload: ok() }),
      text({ join_ref: joinRef, ref: joinRef ?? '1', topic: 'room:lobby', event: 'phx_close', payload: {} }),
    ])
  })

  it("shuts down when receiving disconnect broadcasts on socket's id", async () => {
    const { client, join, endpoint, log } = await start()
    await join('room:lpdisconnect1')
    await join('room:lpdisconnect2')
    endpoint.disconnect(({ userId }) => userId === 'ann')
    expect(log).toEqual(['left room:lpdisconnect1', 'left room:lpdisconnect2'])
    expect((await client.poll()).status).toBe(410)
  })

  it('refuses non-matching versions', async () => {
    const { url } = await start()
    const client = new PollClient(url, { params: { token: 'ann' }, vsn: '123.1.1' })
    expect(await client.poll()).toEqual({ status: 403 })
  })

  it.each(['', 'application/json', 'nonsense', 'text/plain;;', 'application/x-www-form-urlencoded'])(
    'forces application/json content-type: %j',
    async (type) => {
      const { client, join } = await start()
      await join('room:lobby')
      const body = text({ join_ref: joinRef, ref: '2', topic: 'room:lobby', event: 'phx_leave', payload: {} })
      expect(await client.request('POST', { body, type })).toEqual({ status: 200 })
      expect((await client.poll()).messages).toHaveLength(2)
    },
  )

  it('takes JSON after whitespace', async () => {
    const { client, post, join } = await start()
    await join('room:lobby')
    const push = text({ ref: '2', topic: 'room:lobby', event: 'unknown', payload: {} })
    await post(` \t\r\n${push}\n`)
    await post(`\n  ${push}\r\n\t${push}\n`, 'application/x-ndjson')
    const answer = text({
      join_ref: joinRef,
      ref: '2',
      topic: 'room:lobby',
      event: 'phx_reply',
      payload: error('unknown_event'),
    })
    expect((await client.poll()).messages).toEqual([answer, answer, answer])
  })
})
