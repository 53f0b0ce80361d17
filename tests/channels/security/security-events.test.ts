import { expect, it } from 'vitest'
import { startApp, type TestApp } from '../../support/app.ts'
import { securityLines } from '../../support/log.ts'
import { settle } from '../../support/phoenix.ts'
import { RawClient } from '../../support/raw-client.ts'
import {
  connectClient,
  handshakeStatus,
  roomUrl,
  signUpMember,
  startRoom,
} from '../../support/room-clients.ts'

/** The security log lines of one kind. */
function linesOf({ logs }: TestApp, kind: string) {
  return securityLines(
    logs.map((line) => JSON.parse(line)),
    kind,
  )
}

it('logs a rejected socket with the reason and without the token', async () => {
  const app = await startApp({}, { allowedOrigins: ['https://chat.example'] })
  const { roomId } = await startRoom(app, 'ann')
  const eve = await signUpMember(app, 'eve')
  const url = `${app.url.replace('http', 'ws')}/socket/websocket`
  const origin = { origin: 'https://evil.example' }
  const headers = { authorization: `Bearer ${eve.token}` }
  for (const connect of [
    () => RawClient.connect(`${url}?token=s3cret&vsn=2.0.0`),
    () => RawClient.connect(`${url}?token=${eve.token}&vsn=9.0.0`),
    () => RawClient.connect(`${url}?token=${eve.token}&vsn=2.0.0`, { headers: origin }),
    () => connectClient(roomUrl(app, roomId), { headers }),
    () => connectClient(roomUrl(app, roomId), { headers: { authorization: 'Bearer s3cret' } }),
    () => connectClient(roomUrl(app, roomId), { headers: { ...headers, ...origin } }),
  ]) {
    expect(await handshakeStatus(connect())).toBe(403)
  }
  await fetch(`${app.url}/socket/longpoll?token=s3cret&vsn=2.0.0`)
  const lines = linesOf(app, 'socket_refused')
  expect(lines.map(({ reason }) => reason)).toEqual([
    'token',
    'version',
    'origin',
    'not_member',
    'token_invalid',
    'origin',
    'token',
  ])
  for (const line of lines) expect(line).toMatchObject({ level: 40, ip: '127.0.0.1' })
  expect(lines[3]).toMatchObject({ userId: eve.id })
  expect(linesOf(app, 'permission_refused')).toEqual([])
  expect(JSON.stringify(app.logs)).not.toContain('s3cret')
  expect(JSON.stringify(app.logs)).not.toContain(eve.token)
})

it('logs the client address of a rejected socket behind a trusted proxy', async () => {
  const app = await startApp({ TRUST_PROXY: '127.0.0.1' })
  const url = `${app.url.replace('http', 'ws')}/socket/websocket?token=bad`
  const headers = { 'x-forwarded-for': '198.51.100.1, 203.0.113.9' }
  expect(await handshakeStatus(RawClient.connect(url, { headers }))).toBe(403)
  expect(linesOf(app, 'socket_refused')).toMatchObject([{ ip: '203.0.113.9' }])
})

it('logs denied joins and events', async () => {
  const app = await startApp()
  const [ann, bob, eve] = [await app.signUp('ann'), await app.signUp('bob'), await app.signUp('eve')]
  const { conversation } = await app.services.conversations.startPrivate(ann.id, {
    otherUserId: bob.id,
    publicKey: {},
    privateKey: {},
  })
  const socket = eve.connect()
  const { token } = eve
  await settle(socket.channel(`conversation:${conversation.id}`, { token }).join())
  await settle(socket.channel(`user:${ann.id}`, { token }).join())
  const refused = linesOf(app, 'permission_refused')
  expect(refused.map(({ reason }) => reason)).toEqual(['no_conversation', 'unauthorized'])
  for (const line of refused) expect(line).toMatchObject({ level: 40, userId: eve.id })
})

it('counts repeated refusals on a socket instead of logging each', async () => {
  const app = await startApp()
  const [ann, eve] = [await app.signUp('ann'), await app.signUp('eve')]
  const socket = eve.connect()
  for (let i = 0; i < 50; i++) await settle(socket.channel(`user:${ann.id}`, { token: eve.token }).join())
  expect(linesOf(app, 'permission_refused')).toHaveLength(10)
  app.clock.advance(70_000)
  expect(linesOf(app, 'permission_refused').at(-1)).toMatchObject({ suppressed: 40 })
})
