import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startApp, type TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/folder.ts'
import { png } from '../../support/media.ts'
import { beginUpload, mediaFiles, onTestServer, startRoomWithAnn, upload } from '../../support/uploads.ts'

const MINUTE_MS = 60_000

/** Sends the start of a request with a longer declared length. @returns the socket and the response. */
async function begin(
  { url }: TestApp,
  start: string,
): Promise<{ socket: Socket; response: Promise<string> }> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  onTestFinished(() => void socket.destroy())
  const response = once(socket, 'data').then(([data]) => String(data))
  response.catch(() => {})
  await once(socket, 'connect')
  socket.write(start)
  return { socket, response }
}

describe('a server that closes', () => {
  it('finishes its responses, and closes their connections then', async () => {
    const { app } = await start()
    const { target } = await startRoomWithAnn(app)
    const video = Buffer.concat([png(), Buffer.alloc(20_000_000)])
    const { body } = await upload(app, target, ['file', video])
    const url = new URL(onTestServer(app, body.image_content))
    const { socket, response } = await begin(
      app,
      `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    )
    let bytes = 0
    socket.on('data', ({ length }) => {
      bytes += length
    })
    await response
    socket.pause()
    const closed = app.http.close()
    socket.resume()
    await Promise.all([closed, once(socket, 'end')])
    expect(bytes).toBeGreaterThan(video.length)
  })

  it('waits for uploads in progress for a limited time', async () => {
    const { app, files } = await start()
    const { ann, roomId } = await startRoomWithAnn(app)
    const { socket, send } = await beginUpload(app, { roomId, token: ann.token })
    send(Buffer.concat([png(), Buffer.alloc(10_000)]))
    await eventually(() => expect(files()).toHaveLength(1))
    const closed = app.http.close()
    await eventually(() => expect(app.http.server.listening).toBe(false))
    app.clock.advance(19_999)
    expect(socket.destroyed).toBe(false)
    app.clock.advance(1)
    await closed
    await eventually(() => expect(files()).toEqual([]))
  })
})

const HEADERS = 'Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n'

/** A server, and how many bytes it was sent. */
async function start(env: Record<string, string> = {}) {
  const dataDir = temporaryFolder()
  const app = await startApp({ ...env, DATA_DIR: dataDir })
  const sockets: Socket[] = []
  app.http.server.on('connection', (socket) => sockets.push(socket))
  const received = () => sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0)
  const arrived = (bytes: number) => eventually(() => expect(received()).toBeGreaterThanOrEqual(bytes))
  return { app, received, arrived, files: () => mediaFiles(dataDir) }
}

describe('a request', () => {
  it('must arrive within a minute', async () => {
    const { app, arrived } = await start()
    const request = `POST /auth/login HTTP/1.1\r\n${HEADERS}{"email":`
    const { socket, response } = await begin(app, request)
    await arrived(request.length)
    app.clock.advance(MINUTE_MS - 1)
    socket.write('"a@example.com",')
    await arrived(request.length + 16)
    const closed = once(socket, 'close')
    app.clock.advance(1)
    expect(await response).toMatch(/^HTTP\/1.1 408 /)
    await closed
  })

  it('may take longer than that to be handled', async () => {
    const { app } = await start()
    const body = '{"email":"nobody@example.com","password":"four brave otters sing"}'
    const request = `POST /auth/login HTTP/1.1\r\n${HEADERS.replace('100', String(body.length))}${body}`
    const { socket, response } = await begin(app, request)
    expect(await response).toMatch(/^HTTP\/1.1 401 /)
    app.clock.advance(10 * MINUTE_MS)
    const again = once(socket, 'data')
    socket.write(request)
    expect(String(await again)).toMatch(/^HTTP\/1.1 401 /)
  })

  it('has the same timeout for the rest of a rejected body', async () => {
    const { app } = await start()
    const request = `POST /api/signout_all HTTP/1.1\r\n${HEADERS}{`
    const { socket, response } = await begin(app, request)
    expect(await response).toMatch(/^HTTP\/1.1 401 /)
    const closed = once(socket, 'close')
    socket.resume()
    app.clock.advance(MINUTE_MS)
    await closed
  })
})

describe('with limits, an upload', () => {
  it('is aborted after a minute below 2 KiB a second', async () => {
    const { app, received, arrived, files } = await start({ RATE_LIMITS: 'on' })
    const { ann, roomId } = await startRoomWithAnn(app)
    const { socket, send } = await beginUpload(app, { roomId, token: ann.token })
    send(Buffer.concat([png(), Buffer.alloc(10_000)]))
    await eventually(() => expect(files()).toHaveLength(1))
    for (const bytes of [130_000, 130_000, 100_000]) {
      const before = received()
      send(Buffer.alloc(bytes))
      await arrived(before + bytes)
      expect(socket.destroyed).toBe(false)
      app.clock.advance(MINUTE_MS)
    }
    await once(socket, 'close')
    await eventually(() => expect(files()).toEqual([]))
  })

  it('is rejected while eight others of its user are in progress', async () => {
    const { app, files } = await start({ RATE_LIMITS: 'on' })
    const { ann, roomId } = await startRoomWithAnn(app)
    for (let i = 0; i < 8; i++) {
      const { send } = await beginUpload(app, { roomId, token: ann.token })
      send(Buffer.concat([png(), Buffer.alloc(10_000)]))
    }
    await eventually(() => expect(files()).toHaveLength(8))
    const { answered } = await beginUpload(app, { roomId, token: ann.token })
    expect(await answered).toMatch(/^HTTP\/1.1 429 /)
  })
})

describe('an upload', () => {
  it('has no total timeout while bytes arrive every minute', async () => {
    const { app, received, arrived, files } = await start()
    const { ann, roomId } = await startRoomWithAnn(app)
    const { send, finish, answered } = await beginUpload(app, { roomId, token: ann.token })
    send(Buffer.concat([png(), Buffer.alloc(10_000)]))
    await eventually(() => expect(files()).toHaveLength(1))
    for (let minute = 1; minute <= 90; minute++) {
      const before = received()
      send(Buffer.alloc(100))
      await arrived(before + 106)
      app.clock.advance(MINUTE_MS)
    }
    finish()
    expect(await answered).toMatch(/^HTTP\/1.1 201 /)
  })

  it('is aborted after a minute without a byte, and leaves no file', async () => {
    const { app, received, arrived, files } = await start()
    const { ann, roomId } = await startRoomWithAnn(app)
    const { socket, send } = await beginUpload(app, { roomId, token: ann.token })
    send(Buffer.concat([png(), Buffer.alloc(10_000)]))
    await eventually(() => expect(files()).toHaveLength(1))
    const before = received()
    send(Buffer.alloc(100))
    await arrived(before + 106)
    app.clock.advance(MINUTE_MS)
    app.clock.advance(MINUTE_MS - 1)
    expect(files()).toHaveLength(1)
    const closed = once(socket, 'close')
    app.clock.advance(1)
    await closed
    await eventually(() => expect(files()).toEqual([]))
  })
})
