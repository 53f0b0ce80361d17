import { once } from 'node:events'
import { WebSocket } from 'ws'

export interface LiteralOptions {
  protocols?: string[]
  headers?: Record<string, string>
}

/** A WebSocket client that sends and returns messages byte for byte. */
export class LiteralClient {
  /** Resolves to the close code. */
  readonly closed: Promise<number>
  readonly #ws: WebSocket
  readonly #received: (string | Buffer)[] = []
  readonly #waiters: ((message: string | Buffer) => void)[] = []

  private constructor(ws: WebSocket) {
    this.#ws = ws
    this.closed = new Promise((resolve) => ws.on('close', resolve))
    ws.on('error', () => {})
    ws.on('message', (data: Buffer, isBinary) => {
      const message = isBinary ? data : data.toString()
      const waiter = this.#waiters.shift()
      if (waiter) waiter(message)
      else this.#received.push(message)
    })
  }

  /** @throws an error with the HTTP `status` if the handshake is refused. */
  static async connect(
    url: string,
    { protocols = [], headers = {} }: LiteralOptions = {},
  ): Promise<LiteralClient> {
    const ws = new WebSocket(url, protocols, { headers })
    const client = new LiteralClient(ws)
    const refused = new Promise<never>((_resolve, reject) => {
      ws.on('unexpected-response', (_request, response) => {
        response.resume()
        const { statusCode: status } = response
        reject(Object.assign(new Error(`refused with ${status}`), { status }))
      })
    })
    await Promise.race([once(ws, 'open'), refused])
    return client
  }

  get protocol(): string {
    return this.#ws.protocol
  }

  send(...messages: (string | Uint8Array)[]): void {
    for (const message of messages) this.#ws.send(message)
  }

  /** The next message, in the order of arrival. */
  next(): Promise<string | Buffer> {
    const message = this.#received.shift()
    if (message !== undefined) return Promise.resolve(message)
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  /** The next messages. */
  async take(count: number): Promise<(string | Buffer)[]> {
    const messages: (string | Buffer)[] = []
    while (messages.length < count) messages.push(await this.next())
    return messages
  }

  /** Sends a ping, and resolves to the payload of the pong. */
  async ping(payload: string): Promise<string> {
    const answered = once(this.#ws, 'pong')
    this.#ws.ping(payload)
    return String((await answered)[0])
  }

  /** Sends a pong that nobody asked for. */
  pong(payload = ''): void {
    this.#ws.pong(payload)
  }

  close(): void {
    this.#ws.close(1000)
  }

  terminate(): void {
    this.#ws.terminate()
  }
}
