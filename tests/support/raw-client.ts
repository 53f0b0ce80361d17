import { once } from 'node:events'
import { WebSocket } from 'ws'

/** A received frame: parsed JSON for text, bytes for binary. */
export type Frame = unknown

interface Waiter {
  matches: (frame: Frame) => boolean
  resolve: (frame: Frame) => void
  reject: (error: Error) => void
}

interface RawClientOptions {
  protocols?: string[]
  headers?: Record<string, string>
  /** Whether pings are answered. Default: true. */
  autoPong?: boolean
}

/** A WebSocket client without knowledge of the Phoenix protocol: it sends any frame, and returns frames in order. */
export class RawClient {
  readonly frames: Frame[] = []
  readonly closed: Promise<number>
  readonly #ws: WebSocket
  readonly #waiters: Waiter[] = []
  #closedWith: number | undefined

  private constructor(ws: WebSocket) {
    this.#ws = ws
    ws.on('message', (data: Buffer, isBinary) => this.#take(isBinary ? data : JSON.parse(data.toString())))
    this.closed = new Promise((resolve) => ws.on('close', resolve))
    ws.on('error', () => {})
    void this.closed.then((code) => {
      this.#closedWith = code
      for (const { reject } of this.#waiters)
        reject(new Error(`closed with ${code} while waiting for a frame`))
    })
  }

  /** @throws an error with the HTTP `status` if the handshake is refused. */
  static async connect(
    url: string,
    { protocols = [], ...options }: RawClientOptions = {},
  ): Promise<RawClient> {
    const ws = new WebSocket(url, protocols, options)
    const client = new RawClient(ws)
    const refused = new Promise<never>((_resolve, reject) => {
      ws.on('unexpected-response', (_request, response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk) => chunks.push(chunk))
        response.on('end', () => {
          const body = Buffer.concat(chunks).toString()
          reject(
            Object.assign(new Error(`refused with ${response.statusCode}`), {
              status: response.statusCode,
              body,
            }),
          )
        })
      })
    })
    await Promise.race([once(ws, 'open'), refused])
    return client
  }

  get protocol(): string {
    return this.#ws.protocol
  }

  /** Sends JSON text. */
  send(...frames: unknown[]): void {
    for (const frame of frames) this.#ws.send(JSON.stringify(frame))
  }

  /** Sends text or bytes unchanged. */
  sendRaw(data: string | Uint8Array): void {
    this.#ws.send(data)
  }

  /** Sends the first fragment of a message. */
  sendPart(data: Uint8Array, { binary = false } = {}): void {
    this.#ws.send(data, { binary, fin: false })
  }

  /** Sends the last fragment of a message. */
  sendLastPart(data: Uint8Array, { binary = false } = {}): void {
    this.#ws.send(data, { binary, fin: true })
  }

  ping(data = ''): void {
    this.#ws.ping(data)
  }

  /** Sends a ping, and waits for the pong. */
  async pinged(): Promise<void> {
    const answered = once(this.#ws, 'pong')
    this.#ws.ping()
    await answered
  }

  /** Removes and returns the first matching frame. Waits for it if necessary. */
  take(matches: (frame: Frame) => boolean = () => true): Promise<Frame> {
    const index = this.frames.findIndex(matches)
    if (index >= 0) return Promise.resolve(this.frames.splice(index, 1)[0])
    if (this.#closedWith !== undefined) return Promise.reject(new Error(`closed with ${this.#closedWith}`))
    return new Promise((resolve, reject) => this.#waiters.push({ matches, resolve, reject }))
  }

  /** The next version 2 frame with this event, except for replies. */
  async event(event: string): Promise<unknown[]> {
    return (await this.take((frame) => Array.isArray(frame) && frame[3] === event)) as unknown[]
  }

  /** Sends a version 2 frame and waits for the reply to its ref. */
  async call(
    frame: [joinRef: unknown, ref: unknown, topic: string, event: string, payload: unknown],
  ): Promise<unknown[]> {
    this.send(frame)
    return (await this.take(
      (f) => Array.isArray(f) && f[3] === 'phx_reply' && f[1] === frame[1],
    )) as unknown[]
  }

  /** Resolves when everything sent so far is answered. @returns the unread frames. */
  async settled(): Promise<Frame[]> {
    await this.call([null, 'settled', 'phoenix', 'heartbeat', {}])
    return this.frames.splice(0)
  }

  pause(): void {
    this.#ws.pause()
  }

  close(): void {
    this.#ws.close()
  }

  terminate(): void {
    this.#ws.terminate()
  }

  #take(frame: Frame): void {
    const index = this.#waiters.findIndex(({ matches }) => matches(frame))
    if (index >= 0) this.#waiters.splice(index, 1)[0]?.resolve(frame)
    else this.frames.push(frame)
  }
}
