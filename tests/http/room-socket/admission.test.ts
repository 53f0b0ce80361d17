import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { nanoid } from 'nanoid'
import { describe, expect, it } from 'vitest'
import { startApi } from '../../support/api.ts'
import { startApp, type TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/folder.ts'
import {
  connectClient,
  connectToRoom,
  handshakeStatus,
  nextEvent,
  roomUrl,
  signUpMember,
  startRoom,
} from '../../support/room-clients.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { WhisperClient } from '../../support/whisper-client.ts'

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

async function annInARoom(...settings: Parameters<typeof startApp>) {
  const app = await startApp(...settings)
  const { roomId, people } = await startRoom(app, 'ann', 'bob')
  return { app, roomId, url: roomUrl(app, roomId), ann: people[0], bob: people[1] }
}

/** The raw response to an upgrade request. */
async function rawUpgrade(app: TestApp, path: string, headers: string): Promise<string> {
  const { port, hostname } = new URL(app.url)
  const socket = connect(Number(port), hostname)
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${headers}\r\n`,
  )
  let response = ''
  socket.on('data', (chunk) => {
    response += chunk
  })
  await once(socket, 'end')
  return response
}

/** Blocks queries of a table until `release` is called. */
async function blockQueries({ database }: Pick<TestApp, 'database'>, table = sql`room_members`) {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let done: Promise<void> | undefined
  await new Promise<void>((holding, failed) => {
    done = database.transaction(async (tx) => {
      await tx.execute(sql`lock table ${table} in access exclusive mode`)
      holding()
      await released
    })
    done.catch(failed)
  })
  return {
    release() {
      release()
      return done
    },
  }
}

describe('accepts a member', () => {
  it('with a token in the header, in any case, with or without a trailing slash', async () => {
    const { url, ann } = await annInARoom()
    for (const options of [bearer(ann.token), { headers: { authorization: `bearer ${ann.token}` } }]) {
      await nextEvent(await connectClient(url, options), 'chat.active')
    }
    await nextEvent(await connectClient(url.slice(0, -1), bearer(ann.token)), 'chat.active')
  })

  it('with a token as the subprotocol after `bearer`, and selects `bearer`', async () => {
    const { url, ann } = await annInARoom()
    const client = await connectClient(url, { protocols: ['bearer', ann.token] })
    expect(client.protocol).toBe('bearer')
    await nextEvent(client, 'chat.active')
  })

  it('with the token in the header, regardless of the subprotocols', async () => {
    const { url, ann } = await annInARoom()
    const client = await connectClient(url, { ...bearer(ann.token), protocols: ['bearer', 'garbage'] })
    expect(client.protocol).toBe('bearer')
    const options = { ...bearer('garbage'), protocols: ['bearer', ann.token] }
    expect(await handshakeStatus(connectClient(url, options))).toBe(403)
  })

  it('with a token from any origin, unless allowed origins are configured', async () => {
    const open = await annInARoom()
    const headers = { ...bearer(open.ann.token).headers, origin: 'https://elsewhere.example' }
    await connectClient(open.url, { headers })
    const { url, ann } = await annInARoom({ ALLOWED_ORIGINS: 'https://chat.example' })
    const from = (origin: string) =>
      handshakeStatus(connectClient(url, { headers: { ...bearer(ann.token).headers, origin } }))
    expect(await from('https://elsewhere.example')).toBe(403)
    expect(await from('https://chat.example')).toBe(101)
  })
})

describe('the cookie of a browser', () => {
  const db = setUpDatabase()

  async function phoneInARoom() {
    const api = await startApi(db, { publicUrl: 'https://chat.example', dataDir: temporaryFolder() })
    const client = new WhisperClient(api, 'ann@example.com')
    await client.registerWithTotp()
    const { access } = await client.signIn()
    const room = await api.send('POST /api/v1/chat/room-list/', {
      token: access,
      body: { room_name: 'Chamber' },
    })
    const url = roomUrl({ url: await api.app.listen() }, room.json().id)
    const cookie = [...client.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    return { api, url, cookie, access }
  }

  it('is accepted from the same origin', async () => {
    const { url, cookie } = await phoneInARoom()
    const own = { cookie, origin: 'https://chat.example', 'sec-fetch-site': 'same-origin' }
    await nextEvent(await connectClient(url, { headers: own }), 'chat.active')
    await nextEvent(
      await connectClient(url, { headers: { cookie, origin: 'https://chat.example' } }),
      'chat.active',
    )
  })

  it('is rejected from another origin', async () => {
    const { url, cookie } = await phoneInARoom()
    for (const headers of [
      { cookie, origin: 'https://elsewhere.example' },
      { cookie, origin: 'null' },
      { cookie, origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site' },
      { cookie, origin: 'https://other.chat.example', 'sec-fetch-site': 'same-site' },
    ]) {
      expect(await handshakeStatus(connectClient(url, { headers }))).toBe(403)
    }
  })

  it('is ignored when an invalid token is sent', async () => {
    const { url, cookie } = await phoneInARoom()
    expect(
      await handshakeStatus(connectClient(url, { headers: { cookie, authorization: 'Bearer wrong' } })),
    ).toBe(403)
    const protocols = ['bearer', 'wrong']
    expect(await handshakeStatus(connectClient(url, { headers: { cookie }, protocols }))).toBe(403)
  })

  it('closes its connections when its session ends', async () => {
    const { api, url, cookie, access } = await phoneInARoom()
    const client = await connectClient(url, { headers: { cookie } })
    await api.send('POST /api/signout_all', { token: access, body: {} })
    expect(await client.closed).toBe(1001)
    expect(await handshakeStatus(connectClient(url, { headers: { cookie } }))).toBe(403)
  })

  it('is rejected when the server starts draining during authentication', async () => {
    const { api, url, cookie } = await phoneInARoom()
    const asked = await blockQueries(api.app, sql`sessions`)
    const knocked = once(api.app.http.server, 'upgrade')
    const connecting = handshakeStatus(connectClient(url, { headers: { cookie } }))
    await knocked
    await setImmediate()
    await api.app.endpoint.drain()
    await asked.release()
    expect(await connecting).toBe(503)
    expect(api.app.endpoint.connectionCount).toBe(0)
  })
})

describe('rejects before the upgrade', () => {
  it('requests without a valid token', async () => {
    const { app, url, ann, bob } = await annInARoom()
    await app.request('POST', '/api/signout', { body: { token: bob.refreshToken } })
    for (const options of [
      {},
      bearer('garbage'),
      bearer(`${ann.token}x`),
      bearer(ann.refreshToken),
      bearer(bob.token),
      { headers: { authorization: `Basic ${ann.token}` } },
      { headers: { cookie: 'whisper_session=garbage' } },
      { protocols: ['bearer'] },
      { protocols: [ann.token] },
      { protocols: ['bearer', 'garbage'] },
      { protocols: ['phoenix', `base64url.bearer.phx.${Buffer.from(ann.token).toString('base64url')}`] },
    ]) {
      expect(await handshakeStatus(connectClient(url, options)), JSON.stringify(options)).toBe(403)
    }
    expect(await handshakeStatus(connectClient(`${url}?token=${ann.token}`))).toBe(403)
    app.clock.advance(30 * 60_000)
    expect(await handshakeStatus(connectClient(url, bearer(ann.token)))).toBe(403)
    expect(app.endpoint.connectionCount).toBe(0)
  })

  it('users who are not, or no longer, members', async () => {
    const { app, url, roomId, ann, bob } = await annInARoom()
    const eve = await signUpMember(app, 'eve')
    expect(await handshakeStatus(connectClient(url, bearer(eve.token)))).toBe(403)
    await app.services.rooms.removeMember(roomId, ann.id, bob.id)
    expect(await handshakeStatus(connectClient(url, bearer(bob.token)))).toBe(403)
  })

  it.each([nanoid(), 'x', '%00', encodeURIComponent('🦦'), 'x'.repeat(5_000), '__proto__'])(
    'an unknown room: %s',
    async (roomId) => {
      const { app, ann } = await annInARoom()
      expect(await handshakeStatus(connectToRoom(app, ann, roomId))).toBe(403)
      expect(app.endpoint.connectionCount).toBe(0)
    },
  )

  it('with a JSON error', async () => {
    const { app, url } = await annInARoom()
    const error = await connectClient(url).catch((thrown) => thrown)
    expect(JSON.parse(error.body)).toEqual({
      error: { code: 'forbidden', message: 'This is not allowed.' },
    })
    expect(app.endpoint.connectionCount).toBe(0)
  })

  it('while the server is draining', async () => {
    const { app, url, ann } = await annInARoom()
    await app.endpoint.drain()
    expect(await handshakeStatus(connectClient(url, bearer(ann.token)))).toBe(503)
  })
})

describe('a connection that is never established', () => {
  it('is removed when the handshake is invalid', async () => {
    const { app, roomId, ann } = await annInARoom()
    const token = `Authorization: Bearer ${ann.token}\r\n`
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
    for (const [headers, status] of [
      [`${token}${key}Sec-WebSocket-Version: 12\r\n`, 400],
      [`${token}Sec-WebSocket-Version: 13\r\n`, 400],
      [`${key}Sec-WebSocket-Version: 13\r\n`, 403],
    ] as const) {
      expect(await rawUpgrade(app, `/ws/chat/${roomId}/`, headers)).toMatch(`HTTP/1.1 ${status} `)
    }
    expect(app.endpoint.connectionCount).toBe(0)
    expect(app.services.roomPresence.count(roomId)).toBe(0)
  })

  it('is removed when its client disconnects during the handshake', async () => {
    const { app, roomId, ann } = await annInARoom()
    const { port, hostname } = new URL(app.url)
    for (let i = 0; i < 20; i++) {
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {})
      socket.write(
        `GET /ws/chat/${roomId}/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Authorization: Bearer ${ann.token}\r\n` +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
        () => (i % 2 ? socket.resetAndDestroy() : socket.destroy()),
      )
      await once(socket, 'close')
    }
    await eventually(() => expect(app.endpoint.connectionCount).toBe(0))
    expect(app.services.roomPresence.count(roomId)).toBe(0)
    await nextEvent(await connectToRoom(app, ann, roomId), 'chat.active')
  })

  it.each<[string, number, (app: TestApp, roomId: string, userId: string) => unknown]>([
    ['is put out', 403, (app, roomId, userId) => app.endpoint.closeChannels(`room:${roomId}`, userId)],
    ['is signed out', 403, (app, _roomId, userId) => app.endpoint.disconnect((who) => who.userId === userId)],
    ['is sent elsewhere', 503, (app) => app.endpoint.drain()],
  ])('is rejected when its user %s during authorization', async (_what, status, close) => {
    const { app, url, roomId, ann } = await annInARoom()
    const asked = await blockQueries(app)
    const connecting = handshakeStatus(connectClient(url, bearer(ann.token)))
    await eventually(() => expect(app.endpoint.connectionCount).toBe(1))
    await close(app, roomId, ann.id)
    await asked.release()
    expect(await connecting).toBe(status)
    expect(app.services.roomPresence.count(roomId)).toBe(0)
  })

  it('is a 404 for requests without an upgrade', async () => {
    const { app, roomId, ann } = await annInARoom()
    const path = `/ws/chat/${roomId}/`
    expect((await app.request('GET', path, { token: ann.token })).status).toBe(404)
    expect((await app.request('GET', path)).status).toBe(403)
    expect(app.endpoint.connectionCount).toBe(0)
  })

  it('is closed when its user is removed during the handshake', async () => {
    const { app, url, roomId, ann, bob } = await annInARoom()
    for (let i = 0; i < 20; i++) {
      const connecting = connectClient(url, bearer(bob.token))
      const [outcome] = await Promise.allSettled([
        connecting,
        app.services.rooms.removeMember(roomId, ann.id, bob.id),
      ])
      if (outcome.status === 'fulfilled') expect(await outcome.value.closed).toBe(1008)
      else expect(outcome.reason.status).toBe(403)
      await app.services.rooms.addMembers(roomId, ann.id, [bob.id])
    }
    expect(app.services.roomPresence.count(roomId)).toBe(0)
  })
})

it('does not affect the other socket', async () => {
  const { app, url, roomId, ann } = await annInARoom()
  await nextEvent(await connectClient(url, bearer(ann.token)), 'chat.active')
  const channel = await ann.join(`room:${roomId}`)
  expect(channel.state).toBe('joined')
  const phoenix = `${app.url.replace('http', 'ws')}/socket/websocket`
  expect(await handshakeStatus(connectClient(phoenix))).toBe(403)
  const large = await connectClient(`${phoenix}?vsn=2.0.0&token=${ann.token}`)
  large.sendRaw('x'.repeat(300_000))
  expect(await large.closed).toBe(1009)
})
