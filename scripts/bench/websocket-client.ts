import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

const TEXT = 0x1
const CLOSE = 0x8
const PING = 0x9
const PONG = 0xa

/**
 * A minimal WebSocket client (RFC 6455). The load generator shares the machine with the server and must use less CPU than it.
 * Text frames only, no fragments. The masking key is zero, so payloads need no masking.
 */
export class WebSocketClient {
  /** Called with each text frame. The bytes are valid until it returns. */
  onFrame: (payload: Buffer) => void = () => {}
  readonly closed: Promise<void>
  readonly #socket: Socket
  #rest: Buffer | undefined
  #outgoing: Buffer[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
  }

  /** @throws if the status of the handshake is not 101. */
  static open(url: string, headers = ''): Promise<WebSocketClient> {
    const { hostname, port, pathname, search } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    const client = new WebSocketClient(socket)
    socket.write(
      `GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n${headers}\r\n`,
    )
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      let head = Buffer.alloc(0)
      const onData = (chunk: Buffer) => {
        head = Buffer.concat([head, chunk])
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        socket.off('data', onData)
        if (!head.toString('latin1', 0, 12).endsWith(' 101')) {
          socket.destroy()
          reject(new Error(`The handshake was rejected: ${head.toString('latin1', 0, end).split('\r\n', 1)}`))
          return
        }
        socket.off('error', reject)
        socket.on('error', () => socket.destroy())
        socket.on('data', (data: Buffer) => client.#take(data))
        resolve(client)
        if (head.length > end + 4) client.#take(head.subarray(end + 4))
      }
      socket.on('data', onData)
    })
  }

  /** Sends a text frame. The frames of one tick are written together. */
  send(text: string): void {
    if (this.#outgoing.length === 0) queueMicrotask(() => this.#flush())
    this.#outgoing.push(frame(TEXT, Buffer.from(text)))
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #flush(): void {
    const frames = this.#outgoing
    this.#outgoing = []
    this.#socket.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames))
  }

  #take(chunk: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk
    let offset = 0
    while (bytes.length - offset >= 2) {
      const opcode = (bytes[offset] as number) & 0xf
      let length = (bytes[offset + 1] as number) & 0x7f
      let start = offset + 2
      if (length === 126) {
        if (bytes.length < start + 2) break
        length = bytes.readUInt16BE(start)
        start += 2
      } else if (length === 127) {
        if (bytes.length < start + 8) break
        length = Number(bytes.readBigUInt64BE(start))
        start += 8
      }
      if (bytes.length < start + length) break
      offset = start + length
      this.#handle(opcode, bytes.subarray(start, offset))
    }
    this.#rest = offset < bytes.length ? bytes.subarray(offset) : undefined
  }

  #handle(opcode: number, payload: Buffer): void {
    if (opcode === TEXT) this.onFrame(payload)
    else if (opcode === PING) this.#socket.write(frame(PONG, payload))
    else if (opcode === CLOSE) this.#socket.end()
  }
}

function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const out = Buffer.alloc(6 + extended + length)
  out[0] = 0x80 | opcode
  out[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127)
  if (extended === 2) out.writeUInt16BE(length, 2)
  if (extended === 8) out.writeBigUInt64BE(BigInt(length), 2)
  payload.copy(out, 6 + extended)
  return out
}
