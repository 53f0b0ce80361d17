import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { describe, expect, it } from 'vitest'
import { RawClient } from '../../support/raw-client.ts'
import { startRealtime } from '../../support/realtime-server.ts'
import { roomChannel } from './room-channel.ts'

describe('a handshake', () => {
  it.each(['?token=bad&vsn=2.0.0', '?vsn=2.0.0', '?token=ann&vsn=3.0.0', '?token=ann&vsn='])(
    'refuses %s with 403 and nothing more, before the upgrade',
    async (query) => {
      const { url } = await startRealtime([])
      const refusal = RawClient.connect(`${url}/websocket${query}`)
      await expect(refusal).rejects.toMatchObject({ status: 403, body: '' })
    },
  )

  it('accepts the token in the subprotocol of phoenix.js 1.8, and selects the subprotocol phoenix', async () => {
    const { url } = await startRealtime([roomChannel()])
    const encoded = Buffer.from('ann').toString('base64').replace(/=/g, '')
    const client = await RawClient.connect(`${url}/websocket?vsn=2.0.0`, {
      protocols: ['phoenix', `base64url.bearer.phx.${encoded}`],
    })
    expect(client.protocol).toBe('phoenix')
    client.terminate()
    const bad = Buffer.from('bad').toString('base64')
    const refusal = RawClient.connect(`${url}/websocket?vsn=2.0.0`, {
      protocols: ['phoenix', `base64url.bearer.phx.${bad}`],
    })
    await expect(refusal).rejects.toMatchObject({ status: 403 })
  })

  it('refuses origins that are not allowed, and accepts requests without an origin', async () => {
    const { connect } = await startRealtime([], { allowedOrigins: ['https://chat.example.com'] })
    await connect('ann')
    await connect('ann', { headers: { origin: 'https://chat.example.com' } })
    await expect(connect('ann', { headers: { origin: 'https://evil.example.com' } })).rejects.toMatchObject({
      status: 403,
    })
  })

  it('is accepted with additional slashes, but not at paths with the same prefix', async () => {
    const { url } = await startRealtime([])
    for (const path of ['websocket/', '/websocket', '//websocket//']) {
      const client = await RawClient.connect(`${url}/${path}?token=ann&vsn=2.0.0`)
      client.terminate()
    }
    for (const path of ['websockets', 'websocket/more', 'web/socket']) {
      const refusal = RawClient.connect(`${url}/${path}?token=ann&vsn=2.0.0`)
      await expect(refusal, path).rejects.toMatchObject({ status: 404 })
    }
  })

  it('selects version 1 without a version', async () => {
    const { url } = await startRealtime([roomChannel()])
    const client = await RawClient.connect(`${url}/websocket?token=ann`)
    client.send({ topic: 'phoenix', event: 'heartbeat', payload: {}, ref: '1' })
    expect(await client.take()).toEqual({
      topic: 'phoenix',
      event: 'phx_reply',
      payload: { status: 'ok', response: {} },
      ref: '1',
    })
    client.terminate()
  })

  it('loses no frame that is sent immediately after it', async () => {
    const { url } = await startRealtime([roomChannel()])
    const { port, hostname } = new URL(url)
    const socket = connectTcp(Number(port), hostname)
    const join = Buffer.from('["1","1","room:a","phx_join",{}]')
    socket.write(
      Buffer.concat([
        Buffer.from(
          'GET /socket/websocket?token=ann&vsn=2.0.0 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
            'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
        ),
        Buffer.from([0x81, 0x80 | join.length, 0, 0, 0, 0]),
        join,
      ]),
    )
    let received = ''
    while (!received.includes('"joined":"a"')) received += (await once(socket, 'data'))[0]
    socket.destroy()
  })

  it('may be reset by the client without harm', async () => {
    const { url, connect } = await startRealtime([roomChannel()])
    const { port, hostname } = new URL(url)
    for (let i = 0; i < 20; i++) {
      const socket = connectTcp(Number(port), hostname)
      await once(socket, 'connect')
      socket.write(
        'GET /socket/websocket?token=ann HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      )
      socket.resetAndDestroy()
    }
    const client = await connect()
    expect(await client.settled()).toEqual([])
  })

  it('is refused while the endpoint drains, and open connections are closed with 1012', async () => {
    const { endpoint, connect } = await startRealtime([roomChannel()])
    const clients = await Promise.all(Array.from({ length: 120 }, () => connect()))
    const drained = endpoint.drain()
    await expect(connect()).rejects.toMatchObject({ status: 503 })
    await drained
    expect(new Set(await Promise.all(clients.map((client) => client.closed)))).toEqual(new Set([1012]))
    expect(endpoint.connectionCount).toBe(0)
  })
})

describe('a connection', () => {
  it('is closed with 1001 after 75 s without a frame of any kind', async () => {
    const { connect, clock } = await startRealtime([roomChannel()])
    const [quiet, lively] = [await connect('quiet'), await connect('lively')]
    clock.advance(50_000)
    await lively.settled()
    clock.advance(26_000)
    expect(await quiet.closed).toBe(1001)
    expect(await lively.settled()).toEqual([])
  })

  it('delivers pending frames before it is closed', async () => {
    const { endpoint, connect } = await startRealtime([roomChannel()])
    const client = await connect()
    await client.call(['1', '1', 'room:a', 'phx_join', {}])
    endpoint.pubsub.broadcast('room:a', 'last', 'words')
    endpoint.disconnect(() => true)
    expect(await client.event('last')).toEqual([null, null, 'room:a', 'last', 'words'])
    expect(await client.closed).toBe(1001)
  })

  it('answers requests that its client sent just before closing', async () => {
    const { connect } = await startRealtime([roomChannel()])
    const client = await connect()
    await client.call(['1', '1', 'room:a', 'phx_join', {}])
    client.send(['1', '2', 'room:a', 'echo', 'bye'])
    client.close()
    expect(await client.event('phx_reply')).toMatchObject({ 1: '2', 4: { response: 'bye' } })
  })

  it('is closed with 1001 when its session ends', async () => {
    const { endpoint, connect } = await startRealtime([roomChannel()])
    const [ann, bob] = [await connect('ann'), await connect('bob')]
    endpoint.disconnect(({ sessionId }) => sessionId === 'session-ann')
    expect(await ann.closed).toBe(1001)
    expect(await bob.settled()).toEqual([])
  })

  it.each([
    ['text that is not JSON', 'hello'],
    ['another envelope', '{"topic":"phoenix"}'],
    ['too few elements', '["1","1","room:a","phx_join"]'],
    ['garbage bytes', Buffer.from([7, 7, 7])],
  ])('is closed with 1003 after %s, without affecting others', async (_name, data) => {
    const { connect } = await startRealtime([roomChannel()])
    const [bad, good] = [await connect('bad one'), await connect('good')]
    bad.sendRaw(data)
    expect(await bad.closed).toBe(1003)
    expect(await good.settled()).toEqual([])
  })

  it('is closed with 1009 after an oversized frame', async () => {
    const { connect } = await startRealtime([roomChannel()], { maxFrameBytes: 2048 })
    const client = await connect()
    client.sendRaw(JSON.stringify(['1', '1', 'room:a', 'phx_join', 'x'.repeat(2048)]))
    expect(await client.closed).toBe(1009)
  })

  it('is terminated when its client reads too slowly, without affecting others', async () => {
    const { endpoint, clock, connect } = await startRealtime([roomChannel()], { maxBufferedBytes: 65_536 })
    const [slow, fast] = [await connect('slow'), await connect('fast')]
    for (const client of [slow, fast]) await client.call(['1', '1', 'room:a', 'phx_join', {}])
    slow.pause()
    const part = 'x'.repeat(60_000)
    // More than the kernel buffers hold, at a rate that the fast reader sustains.
    while (endpoint.connectionCount === 2) {
      endpoint.pubsub.broadcast('room:a', 'part', part)
      await fast.event('part')
      // Well below the idle timeout in total, however much the kernel buffers.
      clock.advance(100)
    }
    expect(await fast.settled()).toBeDefined()
  })
})
