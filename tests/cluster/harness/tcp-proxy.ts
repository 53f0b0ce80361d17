import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A proxied connection. */
interface ProxiedConnection {
  client: Socket
  target: Socket
  targetPort: number
  /** The number of bytes to forward in one direction before the connection is cut. */
  cutAfter?: { from: Socket; bytes: number } | undefined
}

/**
 * A TCP proxy on a port of its own, which can cut connections after some bytes, and stall them. `chooseTarget` returns the target
 * port of each new connection.
 */
export class TcpProxy {
  readonly #chooseTarget: () => number
  readonly #server: Server
  readonly #connections = new Set<ProxiedConnection>()
  #stalled = false

  private constructor(chooseTarget: () => number) {
    this.#chooseTarget = chooseTarget
    this.#server = createServer((client) => this.#accept(client))
  }

  static async open(chooseTarget: () => number): Promise<TcpProxy> {
    const proxy = new TcpProxy(chooseTarget)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The target ports of the open connections. */
  get targetPorts(): number[] {
    return [...this.#connections].map(({ targetPort }) => targetPort)
  }

  /** Cuts all connections. */
  cut(): void {
    for (const { client } of this.#connections) client.destroy()
  }

  /** Cuts every open connection after `bytes` more bytes: from the client if `upstream`, otherwise to the client. */
  cutAfter(bytes: number, { upstream }: { upstream: boolean }): void {
    for (const connection of this.#connections)
      connection.cutAfter = { from: upstream ? connection.client : connection.target, bytes }
  }

  /** Forwards nothing until `resume`. Connections stay open, and new ones are accepted. */
  stall(): void {
    this.#stalled = true
    for (const { client, target } of this.#connections) {
      client.pause()
      target.pause()
    }
  }

  resume(): void {
    this.#stalled = false
    for (const { client, target } of this.#connections) {
      client.resume()
      target.resume()
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.cut()
    await closed
  }

  #accept(client: Socket): void {
    const targetPort = this.#chooseTarget()
    const target = connect(targetPort, '127.0.0.1')
    const connection: ProxiedConnection = { client, target, targetPort }
    this.#connections.add(connection)
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      from.setNoDelay(true)
      from.on('error', () => {})
      from.on('close', () => {
        this.#connections.delete(connection)
        to.destroy()
      })
      from.on('end', () => to.end())
      from.on('data', (data) => this.#forward(connection, from, to, data))
      to.on('drain', () => {
        if (!this.#stalled) from.resume()
      })
      if (this.#stalled) from.pause()
    }
  }

  #forward(connection: ProxiedConnection, from: Socket, to: Socket, data: Buffer): void {
    const cut = connection.cutAfter?.from === from ? connection.cutAfter : undefined
    if (cut && data.length >= cut.bytes) {
      // The first part is written before the connection is destroyed. The rest is dropped.
      to.write(data.subarray(0, cut.bytes), () => connection.client.destroy())
      from.pause()
      connection.cutAfter = undefined
      return
    }
    if (cut) cut.bytes -= data.length
    if (!to.write(data)) from.pause()
  }
}
