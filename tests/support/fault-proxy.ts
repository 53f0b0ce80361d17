import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * When a connection is cut: before the statement reaches the server, while it runs there, or after the response. With `delayed`, the
 * statement is held back and reaches the server later.
 */
export type CutPoint = 'before' | 'during' | 'reply' | 'delayed'

/** A proxy between a PostgreSQL client and its server that cuts the connection at a chosen statement. */
export class FaultProxy {
  readonly #server: Server
  readonly #target: URL
  readonly #sockets = new Set<Socket>()
  #cut: { marker: string; at: CutPoint; done: () => void } | undefined
  #delayed: (() => Promise<void>) | undefined

  private constructor(target: URL) {
    this.#target = target
    this.#server = createServer((client) => this.#join(client))
  }

  /** @param url the URL of the server. */
  static async start(url: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(new URL(url))
    await proxy.listen(0)
    return proxy
  }

  /** The URL of the database through the proxy. */
  get url(): string {
    const url = new URL(this.#target)
    url.hostname = '127.0.0.1'
    url.port = String(this.port)
    return url.href
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** Cuts the next connection that sends the marker. Resolves after the cut. */
  cut(marker: string, at: CutPoint): Promise<void> {
    return new Promise((done) => {
      this.#cut = { marker, at, done }
    })
  }

  /** Forwards the late statement. Resolves when the server has answered it. */
  async forwardDelayed(): Promise<void> {
    await this.#delayed?.()
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
  }

  /** Cuts all connections and refuses new ones until `listen` is called with the same port. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    return closed
  }

  #join(client: Socket): void {
    const server = connect(Number(this.#target.port || 5432), this.#target.hostname)
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
    }
    server.on('data', (data) => client.write(data))
    server.on('close', () => client.destroy())
    client.on('close', () => server.destroy())
    client.on('data', (data) => {
      const cut = this.#cut
      if (!cut || !data.includes(cut.marker)) return void server.write(data)
      this.#cut = undefined
      const end = () => {
        client.destroy()
        cut.done()
      }
      if (cut.at === 'before') return end()
      server.removeAllListeners('data')
      // The connection to the server stays open: otherwise the server would cancel the statement.
      client.removeAllListeners('close')
      const forward = () => {
        server.write(data)
        return new Promise<void>((answered) => server.once('data', () => answered()))
      }
      if (cut.at === 'delayed') this.#delayed = forward
      else forward().then(end)
      if (cut.at !== 'reply') end()
    })
  }
}
