import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A proxied connection. */
interface Passage {
  near: Socket
  far: Socket
  target: number
  /** The number of bytes to forward in one direction before the connection is cut. */
  cutAfter?: { from: Socket; bytes: number } | undefined
}

/**
 * A TCP proxy on a port of its own, which can cut connections after some bytes, and stall them. `choose` returns the target
 * port of each new connection.
 */
export class Link {
  readonly #choose: () => number
  readonly #server: Server
  readonly #passages = new Set<Passage>()
  #stalled = false

  private constructor(choose: () => number) {
    this.#choose = choose
    this.#server = createServer((near) => this.#pass(near))
  }

  static async open(choose: () => number): Promise<Link> {
    const link = new Link(choose)
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve))
    return link
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The target ports of the open connections. */
  get targets(): number[] {
    return [...this.#passages].map(({ target }) => target)
  }

  /** Cuts all connections. */
  cut(): void {
    for (const { near } of this.#passages) near.destroy()
  }

  /** Cuts every open connection after `bytes` more bytes: from the client if `outward`, otherwise to the client. */
  cutAfter(bytes: number, { outward }: { outward: boolean }): void {
    for (const passage of this.#passages)
      passage.cutAfter = { from: outward ? passage.near : passage.far, bytes }
  }

  /** Forwards nothing until `flow`. Connections stay open, and new ones are accepted. */
  stall(): void {
    this.#stalled = true
    for (const { near, far } of this.#passages) {
      near.pause()
      far.pause()
    }
  }

  flow(): void {
    this.#stalled = false
    for (const { near, far } of this.#passages) {
      near.resume()
      far.resume()
    }
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.cut()
    await closed
  }

  #pass(near: Socket): void {
    const target = this.#choose()
    const far = connect(target, '127.0.0.1')
    const passage: Passage = { near, far, target }
    this.#passages.add(passage)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.setNoDelay(true)
      from.on('error', () => {})
      from.on('close', () => {
        this.#passages.delete(passage)
        to.destroy()
      })
      from.on('end', () => to.end())
      from.on('data', (data) => this.#forward(passage, from, to, data))
      to.on('drain', () => {
        if (!this.#stalled) from.resume()
      })
      if (this.#stalled) from.pause()
    }
  }

  #forward(passage: Passage, from: Socket, to: Socket, data: Buffer): void {
    const cut = passage.cutAfter?.from === from ? passage.cutAfter : undefined
    if (cut && data.length >= cut.bytes) {
      // The first part is written before the connection is destroyed. The rest is dropped.
      to.write(data.subarray(0, cut.bytes), () => passage.near.destroy())
      from.pause()
      passage.cutAfter = undefined
      return
    }
    if (cut) cut.bytes -= data.length
    if (!to.write(data)) from.pause()
  }
}
