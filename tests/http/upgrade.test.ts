import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { startApp } from '../support/app.ts'

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
