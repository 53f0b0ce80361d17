import { setImmediate } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PASSWORD, startApp, startNodes, type TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { PollClient } from '../../support/poll-client.ts'
import { RawClient } from '../../support/raw-client.ts'
import {
  connectToRoom,
  eventsBeforeMarker,
  type Member,
  nextEvent,
  startRoom,
} from '../../support/room-clients.ts'

const MINUTE = 60_000
/** Shorter than the time after which an idle polling client is disconnected. */
const STEP = 10_000

/** Connects Ann over each kind of connection, two minutes before her token expires. */
async function connected(env: Record<string, string> = {}) {
  const app = await startApp(env)
  const { roomId, people } = await startRoom(app, 'ann')
  const [ann] = people
  app.clock.advance(28 * MINUTE)
  const url = `${app.url.replace('http', 'ws')}/socket`
  const socket = await RawClient.connect(`${url}/websocket?token=${ann.token}&vsn=2.0.0`)
  onTestFinished(() => socket.terminate())
  const poll = await new PollClient(url, { params: { token: ann.token } }).open()
  const room = await connectToRoom(app, ann, roomId)

  /** Advances the clock while keeping all connections alive. */
  async function stay(ms: number) {
    for (let past = 0; past < ms; past += STEP) {
      app.clock.advance(STEP)
      await sendHeartbeat(socket)
      expect(await poll.send(HEARTBEAT)).toMatchObject({ status: 200 })
      await poll.frames()
      await eventsBeforeMarker(room)
    }
  }

  async function expectAllClosed() {
    expect(await socket.closed).toBe(1001)
    expect(await room.closed).toBe(1001)
    expect(await poll.send(HEARTBEAT)).toMatchObject({ status: 410 })
  }

  return { app, ann, stay, expectAllClosed }
}

const HEARTBEAT = [null, '1', 'phoenix', 'heartbeat', {}]

let ref = 0
async function sendHeartbeat(socket: RawClient) {
  const name = String(++ref)
  socket.send([null, name, 'phoenix', 'heartbeat', {}])
  await socket.take((frame) => (frame as unknown[])[1] === name)
}

/** Makes the session expire after `ms`, as if it had last been refreshed almost two weeks ago. */
async function expireIn({ database, clock }: TestApp, ms: number) {
  await database.rows('update sessions set expires_at = to_timestamp($1::float8 / 1000)', [clock.now() + ms])
}

it('closes connections when their session expires', async () => {
  const { app, stay, expectAllClosed } = await connected()
  await expireIn(app, 3 * MINUTE)
  await stay(3 * MINUTE - STEP)
  app.clock.advance(STEP)
  await expectAllClosed()
})

it('keeps connections open when their session was refreshed', async () => {
  const { app, ann, stay } = await connected()
  await expireIn(app, 3 * MINUTE)
  await stay(2 * MINUTE + STEP)
  const body = { token: ann.refreshToken }
  expect((await app.request('POST', '/auth/refresh', { body })).status).toBe(200)
  await stay(2 * MINUTE)
})

it('closes connections at the absolute lifetime of their session, also when it was refreshed', async () => {
  const { app, ann, stay, expectAllClosed } = await connected({ SESSION_MAX_AGE: '1' })
  await app.database.rows(`update sessions set created_at = created_at - interval '23 hours 29 minutes'`, [])
  let token = ann.refreshToken
  const refresh = async () => {
    const { status, body } = await app.request('POST', '/auth/refresh', { body: { token } })
    token = body.refresh_token ?? token
    return { status, access: body.auth_token }
  }
  await refresh()
  await stay(2 * MINUTE)
  const { access } = await refresh()
  await stay(MINUTE - STEP)
  app.clock.advance(STEP)
  await expectAllClosed()
  expect((await refresh()).status).toBe(400)
  expect((await app.request('GET', '/api/sessions', { token: access })).status).toBe(401)
})

it('closes connections when the row of their session is deleted', async () => {
  const { app, stay, expectAllClosed } = await connected()
  await app.database.rows('delete from sessions', [])
  await stay(2 * MINUTE - STEP)
  app.clock.advance(STEP)
  await expectAllClosed()
})

it('keeps connections open while the expiry of their session cannot be read', async () => {
  const { app, stay, expectAllClosed } = await connected()
  await expireIn(app, MINUTE)
  await app.database.rows('alter table sessions rename to hidden_sessions', [])
  try {
    await stay(2 * MINUTE + 3 * STEP)
  } finally {
    await app.database.rows('alter table hidden_sessions rename to sessions', [])
  }
  app.clock.advance(1_000)
  await expectAllClosed()
  const reports = app.logs.filter((line) => line.includes('Reading the expiry of sessions'))
  expect(reports).toHaveLength(2)
})

it('closes every kind of connection after signing out everywhere', async () => {
  const { app, ann, stay, expectAllClosed } = await connected()
  await stay(STEP)
  expect((await app.request('POST', '/api/signout_all', { token: ann.token })).status).toBe(204)
  await expectAllClosed()
})

/** Connects Ann to a room over both kinds of socket, and Bob as an observer. */
async function watched(nodeCount: 1 | 2) {
  const nodes = nodeCount === 1 ? [await startApp()] : await startNodes(2)
  const [here, there] = [nodes[0] as TestApp, nodes.at(-1) as TestApp]
  const { roomId, people } = await startRoom(here, 'ann', 'bob')
  const [ann, bob] = people
  const socket = await RawClient.connect(
    `${there.url.replace('http', 'ws')}/socket/websocket?token=${ann.token}&vsn=2.0.0`,
  )
  onTestFinished(() => socket.terminate())
  const topic = `room:${roomId}`
  socket.send(['1', '1', topic, 'phx_join', {}])
  await socket.take((frame) => (frame as unknown[])[3] === 'phx_reply')
  const room = await connectToRoom(there, ann, roomId)
  const watcher = await connectToRoom(there, bob, roomId)
  let isClosed = false
  for (const { closed } of [socket, room]) void closed.then(() => (isClosed = true))
  return { here, there, ann, bob, topic, socket, room, watcher, isClosed: () => isClosed }
}

const signOuts: [name: string, signOut: (app: TestApp, ann: Member) => Promise<{ status: number }>][] = [
  [
    'POST /api/signout',
    (app, ann) => app.request('POST', '/api/signout', { body: { token: ann.refreshToken } }),
  ],
  [
    'DELETE /api/sessions/:id',
    async (app, { token }) => {
      const { body } = await app.request('GET', '/api/sessions', { token })
      const { id } = body.items.find(({ current }: { current: boolean }) => current)
      return app.request('DELETE', `/api/sessions/${id}`, { token })
    },
  ],
]

describe.each([1, 2] as const)('a client that signs itself out, on %i node(s)', (nodeCount) => {
  it.each(signOuts)(
    'may keep its sockets open for half a second, without sending messages: %s',
    async (_name, signOut) => {
      const { here, there, ann, bob, topic, socket, room, watcher, isClosed } = await watched(nodeCount)
      expect((await signOut(here, ann)).status).toBe(204)
      await eventually(() => {
        expect(there.services.sessions.isRevoked(sessionOf(ann))).toBe(true)
      })
      socket.send(['1', '2', topic, 'message', { message: 'too late' }])
      room.send({ message_type: 'message', message: 'too late' })
      const roomId = topic.slice('room:'.length)
      await here.services.rooms.post(roomId, bob.id, { text: 'after the sign-out' })
      expect(await nextEvent(watcher, 'chat.message')).toMatchObject({ text_content: 'after the sign-out' })
      there.clock.advance(499)
      await setImmediate()
      expect(isClosed()).toBe(false)
      there.clock.advance(1)
      expect(await Promise.all([socket.closed, room.closed])).toEqual([1001, 1001])
      await here.services.rooms.post(roomId, bob.id, { text: 'later' })
      expect(await nextEvent(watcher, 'chat.message')).toMatchObject({ text_content: 'later' })
    },
  )

  it('is disconnected immediately when another session of the user revokes the session', async () => {
    const { here, ann, socket, room } = await watched(nodeCount)
    const body = { email: ann.email, password: PASSWORD }
    const { body: other } = await here.request('POST', '/auth/login', { body })
    const path = `/api/sessions/${sessionOf(ann)}`
    expect((await here.request('DELETE', path, { token: other.auth_token })).status).toBe(204)
    expect(await Promise.all([socket.closed, room.closed])).toEqual([1001, 1001])
  })
})

/** The session id in an access token. */
function sessionOf({ token }: { token: string }): string {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString())
  return claims.sid
}
