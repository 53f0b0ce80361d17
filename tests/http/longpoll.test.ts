import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { PollClient } from '../support/poll-client.ts'
import { requestText } from '../support/raw-http.ts'

async function start() {
  const app = await startApp()
  const ann = await app.signUp('ann')
  const client = new PollClient(`${app.url}/socket`, { params: { token: ann.token } })
  return { app, ann, client, join: ['1', '1', `user:${ann.id}`, 'phx_join', { token: ann.token }] }
}

it('long polling joins channels, and delivers replies and broadcasts', async () => {
  const { app, ann, client, join } = await start()
  await client.open()
  await client.send(join)
  expect(await client.frames()).toEqual([
    ['1', '1', `user:${ann.id}`, 'phx_reply', { status: 'ok', response: {} }],
  ])
  const bob = await app.signUp('bob')
  const general = await bob.join('system:general')
  const keys = { public_key: {}, private_key: {} }
  general.push('start_private_conversation', { token: bob.token, other_user_id: ann.id, ...keys })
  expect((await client.frames())[0]).toMatchObject({ 2: `user:${ann.id}`, 3: 'new_conversation' })
})

it('a polling session ends with the session of its user, and later requests are rejected', async () => {
  const { app, ann, client, join } = await start()
  await client.open()
  await client.send(join)
  await client.frames()
  const poll = await client.startPoll(app.http.server)
  await app.request('POST', '/api/signout', { token: ann.token, body: { token: ann.refreshToken } })
  app.clock.advance(500)
  expect((await poll.answer).status).toBe(403)
  expect((await client.send(join)).status).toBe(410)
  expect((await client.poll()).status).toBe(403)
})

it('a shutdown completes open polls, so that clients reconnect', async () => {
  const { app, client } = await start()
  await client.open()
  const poll = await client.startPoll(app.http.server)
  await app.close()
  expect((await poll.answer).status).toBe(500)
})

it('long polling logs no tokens', async () => {
  const { app, ann, client, join } = await start()
  app.logs.length = 0
  await client.open()
  await client.send(join)
  await client.sendBatch('x'.repeat(3_000_000))
  await client.request('GET')
  const headers = { 'x-phoenix-longpoll-token': client.token!, 'x-phoenix-authtoken': ann.token }
  for (const method of ['POST', 'PUT']) await new PollClient(`${app.url}/socket`, { headers }).request(method)
  expect(app.logs.join('')).not.toMatch(ann.token)
  expect(app.logs.join('')).not.toMatch(client.token!)
})

it('long polling allows other origins', async () => {
  const { app } = await start()
  const origin = 'https://chat.example.com'
  const asked = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' }
  const preflight = await fetch(`${app.url}/socket/longpoll?vsn=2.0.0`, {
    method: 'OPTIONS',
    headers: { origin, ...asked },
  })
  expect(preflight.status).toBe(204)
  expect(Object.fromEntries(preflight.headers)).toMatchObject({
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': 'content-type',
  })
  const refused = await fetch(`${app.url}/socket/longpoll?vsn=2.0.0`, { headers: { origin } })
  expect(refused.headers.get('access-control-allow-origin')).toBe('*')
  expect(refused.headers.get('x-content-type-options')).toBe('nosniff')
  expect(await refused.json()).toEqual({ status: 403 })
})

it.each([undefined, '', 'nonsense', 'text/plain;;', 'application/x-www-form-urlencoded'])(
  'takes a post of any content type: %j',
  async (type) => {
    const { client, join } = await start()
    await client.open()
    const body = Buffer.from(JSON.stringify(join))
    expect(await client.request('POST', { body, ...(type !== undefined && { type }) })).toEqual({
      status: 200,
    })
    expect(await client.frames()).toHaveLength(1)
  },
)

it.each([
  ['GET', '/socket/longpoll/more', 404],
  ['POST', '/socket//longpoll/websocket', 404],
  ['PUT', '/socket/longpoll', 405],
  ['DELETE', '//socket/longpoll/', 405],
])('%s %s is answered with %d and a status that phoenix.js knows', async (method, path, status) => {
  const { app } = await start()
  const response = await fetch(`${app.url}${path}?vsn=2.0.0`, { method })
  expect([response.status, await response.json()]).toEqual([status, { status: 500 }])
})

it('answers with a status while the server closes', async () => {
  const { app } = await start()
  const { port, hostname } = new URL(app.url)
  const arrived = once(app.http.server, 'connection')
  const socket = connect(Number(port), hostname)
  const [line, ...headers] = requestText('GET /socket/longpoll').split('\r\n')
  socket.write(`${line}\r\n`)
  // The server has read the beginning of the request.
  const [stream] = (await arrived) as [Socket]
  await eventually(() => expect(stream.bytesRead).toBeGreaterThan(0))
  const closed = app.close()
  await eventually(() => expect(app.http.server.listening).toBe(false))
  socket.write(headers.join('\r\n'))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 503 .*\r\n\r\n\{"status":500\}$/s)
  await closed
})

it('counts duplicate slashes as one', async () => {
  const { app, ann } = await start()
  const client = await new PollClient(`${app.url}//socket/`, { params: { token: ann.token } }).open()
  expect(client.token).toEqual(expect.any(String))
})
