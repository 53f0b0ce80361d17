import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate as tick } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { exchange, requestText } from '../support/raw-http.ts'
import { startPhoenix } from './fixture.ts'

/* The cases of Phoenix's test/phoenix/integration/websocket_socket_test.exs. docs/phoenix-tests.md lists all of them. */

const QUERY = 'token=ann&vsn=2.0.0'
const HEARTBEAT = '[null,"1","phoenix","heartbeat",{}]'
const ANSWER = '[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]'

it.each(['GET', 'POST', 'PUT'])('handles invalid upgrade requests: %s', async (method) => {
  const { url } = await startPhoenix()
  const response = await fetch(`${url.replace('ws', 'http')}/websocket?${QUERY}`, { method })
  expect(response.status).toBe(400)
  expect(await response.text()).toContain("'connection' header must contain 'upgrade'")
})

it('refuses a request without an upgrade like one with it', async () => {
  const { url } = await startPhoenix()
  const response = await fetch(`${url.replace('ws', 'http')}/websocket?token=bad&vsn=2.0.0`)
  expect([response.status, await response.text()]).toEqual([403, ''])
})

it('refuses unallowed Websocket subprotocols', async () => {
  const { connect } = await startPhoenix()
  const bearer = `base64url.bearer.phx.${Buffer.from('ann').toString('base64url')}`
  expect((await connect(QUERY)).protocol).toBe('')
  expect((await connect(QUERY, { protocols: ['phoenix'] })).protocol).toBe('phoenix')
  expect((await connect(QUERY, { protocols: ['mqtt', 'phoenix'] })).protocol).toBe('phoenix')
  expect((await connect('vsn=2.0.0', { protocols: ['phoenix', bearer] })).protocol).toBe('phoenix')
  for (const protocols of [['mqtt'], ['sip', 'phoenix2'], ['mqtt', bearer]]) {
    await expect(connect(QUERY, { protocols }), protocols.join()).rejects.toMatchObject({ status: 403 })
  }
})

it('ignores control frames when handle_control/2 is not defined', async () => {
  const { connect } = await startPhoenix()
  const client = await connect(QUERY)
  expect(await client.ping('')).toBe('')
  client.pong('unsolicited')
  client.send(HEARTBEAT)
  expect(await client.next()).toBe(ANSWER)
})

it('allows using control frames with a payload', async () => {
  const { connect } = await startPhoenix()
  expect(await (await connect(QUERY)).ping('123')).toBe('123')
})

it.each(['ping', 'pong'] as const)('a %s alone is a sign of life', async (kind) => {
  const { connect, clock, http } = await startPhoenix()
  const connected = once(http, 'connection') as Promise<[Socket]>
  const client = await connect(QUERY)
  const [stream] = await connected
  const quiet = await connect(QUERY)
  clock.advance(50_000)
  const before = stream.bytesRead
  if (kind === 'ping') await client.ping('')
  else client.pong()
  await eventually(() => expect(stream.bytesRead).toBeGreaterThan(before))
  // `ws` emits events one iteration after they were read.
  for (let i = 0; i < 3; i++) await tick()
  clock.advance(50_000)
  expect(await quiet.closed).toBe(1001)
  client.send(HEARTBEAT)
  expect(await client.next()).toBe(ANSWER)
})

it.each(['//websocket', '/websocket/', '///websocket//'])(
  'duplicate slashes in the path count as one: %s',
  async (path) => {
    const { url } = await startPhoenix()
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
    }
    const [answer] = await exchange(
      url,
      Buffer.concat([Buffer.from(requestText(`GET /socket${path}?${QUERY}`, upgrade)), CLOSE_FRAME]),
    )
    expect(answer!.head).toMatch(/^HTTP\/1\.1 101 /)
  },
)

it.each(['vsn=1.0.0&vsn=2.0.0&token=ann', 'vsn=2.0.0&token=bad&token=ann'])(
  'of a repeated parameter the last one counts: %s',
  async (query) => {
    const { connect } = await startPhoenix()
    const client = await connect(query)
    client.send(HEARTBEAT)
    expect(await client.next()).toBe(ANSWER)
  },
)

it.each(['vsn=2.0.0&vsn=3.0.0&token=ann', 'vsn=2.0.0&token=ann&token=bad'])(
  'of a repeated parameter the first one does not count: %s',
  async (query) => {
    const { connect } = await startPhoenix()
    await expect(connect(query)).rejects.toMatchObject({ status: 403 })
  },
)

/** A masked close frame. */
const CLOSE_FRAME = Buffer.from([0x88, 0x80, 0, 0, 0, 0])
