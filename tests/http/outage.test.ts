import { connect, createServer, type Server, type Socket } from 'node:net'
import { expect, it, onTestFinished, vi } from 'vitest'
import { openDatabase } from '../../src/db/open-database.ts'
import { startApi } from '../support/api.ts'
import { createTestDatabase } from '../support/database.ts'

const SERVER = process.env.DATABASE_URL

it.runIf(SERVER)('responds with busy while the database is unavailable, and recovers', async () => {
  const { url, drop } = await createTestDatabase(SERVER!)
  onTestFinished(drop)
  const link = await Link.to(new URL(url))
  onTestFinished(() => link.cut())
  const db = await openDatabase({ kind: 'postgres', url: link.url, poolSize: 2 })
  onTestFinished(() => db.close())
  const api = await startApi(db)
  await api.app.listen()
  const { auth_token: token } = await api.register('ann')

  await link.cut()
  const response = await api.send('GET /api/users', { token })
  expect(response.statusCode).toBe(503)
  expect(response.headers).toHaveProperty('retry-after')
  expect(response.json()).toHaveProperty('error.code', 'busy')
  expect((await api.send('GET /readyz')).json()).toEqual({ status: 'no database' })
  expect((await api.send('GET /livez')).statusCode).toBe(200)

  await link.mend()
  await vi.waitFor(async () => expect((await api.send('GET /readyz')).statusCode).toBe(200), 30_000)
  expect((await api.send('GET /api/users', { token })).statusCode).toBe(200)
})

/** A connection to a server that can be cut and mended. */
class Link {
  readonly #target: URL
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #port = 0

  private constructor(target: URL) {
    this.#target = target
    this.#server = createServer((near) => this.#join(near))
  }

  static async to(target: URL): Promise<Link> {
    const link = new Link(target)
    await link.mend()
    return link
  }

  /** The target's URL, by way of this link. */
  get url(): string {
    const url = new URL(this.#target)
    url.hostname = '127.0.0.1'
    url.port = String(this.#port)
    return url.href
  }

  async mend(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as { port: number }).port
  }

  async cut(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #join(near: Socket): void {
    const far = connect(Number(this.#target.port || 5432), this.#target.hostname)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket)
      socket.pipe(other)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
  }
}
