import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { PASSWORD, startApp } from '../support/app.ts'
import { exchange, exchangeInTurn, requestText } from '../support/raw-http.ts'

it.each(['/livez', '/nowhere', '/socket/websocket'])(
  'closes the connection of an upgrade request that %s rejects',
  async (path) => {
    const app = await startApp()
    const { port, hostname } = new URL(app.url)
    const socket = connect(Number(port), hostname)
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
    let response = ''
    socket.on('data', (chunk) => {
      response += chunk
    })
    await once(socket, 'end')
    expect(response).toMatch(/^HTTP\/1\.1 (200|404|403) /)
  },
)

it('an upgrade request during another request of its connection does not affect other clients', async () => {
  const app = await startApp()
  const ann = await app.signUp('ann')
  const { port, hostname } = new URL(app.url)
  for (const path of ['/socket/websocket', `/socket/websocket?token=${ann.token}`]) {
    const socket = connect(Number(port), hostname)
    socket.write(
      `GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n` +
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
    socket.end()
    socket.resume()
    await once(socket, 'close')
  }
  expect((await app.request('GET', '/livez')).status).toBe(200)
})

describe('an upgrade to something other than WebSocket', () => {
  /** What Java's HttpClient and `curl --http2` send over plain HTTP. */
  const H2C = {
    connection: 'Upgrade, HTTP2-Settings',
    upgrade: 'h2c',
    'http2-settings': 'AAEAAEAAAAIAAAAAAAMAAAAA',
  }
  const LAST = requestText('GET /livez', { connection: 'close' })

  async function startWithAnn() {
    const app = await startApp()
    const ann = await app.signUp('ann')
    const json = { 'content-type': 'application/json' }
    const login = (headers: Record<string, string>) =>
      requestText(
        'POST /auth/login',
        { ...json, ...headers },
        JSON.stringify({ email: ann.email, password: PASSWORD }),
      )
    return { app, ann, login }
  }

  it.each([
    ['h2c', H2C],
    ['h2c without settings', { connection: 'upgrade', upgrade: 'h2c' }],
    ['TLS/1.0, in capitals', { Connection: 'UPGRADE', Upgrade: 'TLS/1.0' }],
    ['several protocols', { connection: 'upgrade', upgrade: 'h2c, irc/6.9' }],
  ])('is ignored: %s, with a body', async (_name, headers) => {
    const { app, login } = await startWithAnn()
    const [answer, last] = await exchangeInTurn(app.url, [login(headers), LAST])
    expect(answer).toMatchObject({ status: 200, body: expect.stringContaining('"auth_token"') })
    expect(last).toMatchObject({ status: 200 })
  })

  async function startWithRequests() {
    const { app, ann, login } = await startWithAnn()
    const bearer = { authorization: `Bearer ${ann.token}` }
    const requests = [
      requestText('GET /api/sessions', bearer),
      login(H2C),
      requestText('GET /api/sessions', { ...bearer, ...H2C }),
      login({}),
      requestText('GET /nowhere', H2C),
      LAST,
    ]
    return { app, requests }
  }
  const STATUSES = [200, 200, 200, 200, 404, 200]

  it('is ignored in any of several requests of one connection', async () => {
    const { app, requests } = await startWithRequests()
    const answers = await exchangeInTurn(app.url, requests)
    expect(answers.map(({ status }) => status)).toEqual(STATUSES)
  })

  // Since 24.9, Node drops what follows such a request in the same packet.
  it.skipIf('shouldUpgradeCallback' in createServer())('is ignored in pipelined requests', async () => {
    const { app, requests } = await startWithRequests()
    const answers = await exchange(app.url, requests.join(''))
    expect(answers.map(({ status }) => status)).toEqual(STATUSES)
  })

  it('is ignored when the body comes in chunks, long after the head', async () => {
    const { app, login } = await startWithAnn()
    const { port, hostname } = new URL(app.url)
    const socket = connect(Number(port), hostname)
    const arrived = once(app.http.server, 'request')
    const [head, body] = login({ ...H2C, 'transfer-encoding': 'chunked' }).split('\r\n\r\n') as [
      string,
      string,
    ]
    socket.write(`${head.replace(/\r\ncontent-length: \d+/, '')}\r\n\r\n`)
    await arrived
    for (const part of [body.slice(0, 10), body.slice(10)]) {
      socket.write(`${part.length.toString(16)}\r\n${part}\r\n`)
    }
    socket.write('0\r\n\r\n')
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    expect(chunk.toString()).toMatch(/^HTTP\/1\.1 200 /)
    socket.destroy()
  })

  it('is ignored by long polling', async () => {
    const { app, ann } = await startWithAnn()
    const path = `/socket/longpoll?vsn=2.0.0&token=${ann.token}`
    const [opened] = await exchangeInTurn(app.url, [requestText(`GET ${path}`, H2C)])
    const { status, token } = JSON.parse(opened!.body)
    expect(status).toBe(410)
    const join = JSON.stringify(['1', '1', `user:${ann.id}`, 'phx_join', { token: ann.token }])
    const type = { 'content-type': 'application/x-ndjson' }
    const [posted, polled] = await exchangeInTurn(app.url, [
      requestText(`POST ${path}&token=${token}`, { ...H2C, ...type }, join),
      requestText(`GET ${path}&token=${token}`, H2C),
    ])
    expect(posted!.body).toBe('{"status":200}')
    expect(JSON.parse(polled!.body).messages).toEqual([
      `["1","1","user:${ann.id}","phx_reply",{"status":"ok","response":{}}]`,
    ])
  })
})
