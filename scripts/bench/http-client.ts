import { connect, type Socket } from 'node:net'

/** A minimal HTTP client with one keep-alive connection. It supports only responses with a Content-Length. */
export class HttpClient {
  readonly #socket: Socket
  readonly #host: string
  #received: Buffer = Buffer.alloc(0)
  #answer: ((status: number) => void) | undefined

  constructor(url: string) {
    const { hostname, port, host } = new URL(url)
    this.#host = host
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true })
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk))
    this.#socket.on('error', () => this.#socket.destroy())
  }

  /** Sends a request and resolves with the status when the response is complete. One request at a time. */
  request(
    method: string,
    path: string,
    { token, body = '' }: { token?: string; body?: string } = {},
  ): Promise<number> {
    const headers = [
      `Host: ${this.#host}`,
      ...(token ? [`Authorization: Bearer ${token}`] : []),
      ...(body ? ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`] : []),
    ]
    this.#socket.write(`${method} ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n${body}`)
    return new Promise((resolve) => {
      this.#answer = resolve
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length ? Buffer.concat([this.#received, chunk]) : chunk
    const end = this.#received.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = this.#received.toString('latin1', 0, end)
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (this.#received.length < end + 4 + length) return
    this.#received = this.#received.subarray(end + 4 + length)
    this.#answer?.(Number(head.slice(9, 12)))
  }
}
