import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Server, WebSocketServer } from 'ws'
import { RefusalStatus } from '../codes.ts'
import {
  type ConnectResult,
  connect,
  type HandshakeOptions,
  type HandshakeRefusal,
  isAt,
  PROTOCOL,
  RETRY_AFTER_S,
} from './handshake.ts'
import { isWebSocketUpgrade } from './ignored-upgrades.ts'
import { Socket } from './socket.ts'
import { fragmentLimits, WebSocketTransport } from './websocket-transport.ts'

const TRANSPORT = { transport: 'websocket' } as const

/** An option of `ws` that its types do not list. The endpoint limits pings itself, and closes with a code. */
const UNLIMITED_PONGS = { maxPendingAutoPongs: 0 }

/**
 * Serves an endpoint over WebSockets. It accepts or refuses clients at the upgrade. A refusal is a 403 instead of a close frame,
 * because phoenix.js resets its backoff whenever a connection opens.
 */
export class WebSocketService {
  readonly #options: HandshakeOptions
  readonly #path: string
  readonly #server: Server<typeof WebSocketTransport>

  constructor(options: HandshakeOptions) {
    const { maxFrameBytes } = options
    this.#options = options
    this.#path = `${options.path}/websocket`
    this.#server = new WebSocketServer({
      noServer: true,
      WebSocket: WebSocketTransport,
      maxPayload: maxFrameBytes,
      ...fragmentLimits(maxFrameBytes),
      ...UNLIMITED_PONGS,
      perMessageDeflate: false,
      clientTracking: false,
      handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
    })
  }

  /** Handles an upgrade request. @returns false for a request to another path, or for another protocol. */
  handleUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): boolean {
    if (!isAt(this.#path, request.url) || !isWebSocketUpgrade(request)) return false
    const result = connect(this.#options, request, TRANSPORT)
    if (result instanceof Promise) void this.#acceptLater(result, request, stream, head)
    else this.#accept(result, request, stream, head)
    return true
  }

  /** Answers a request that is no upgrade. @returns false for a request to another path. */
  handleRequest(request: IncomingMessage, response: ServerResponse): boolean {
    if (!isAt(this.#path, request.url)) return false
    void this.#answer(request, response)
    return true
  }

  async #acceptLater(
    result: Promise<ConnectResult | HandshakeRefusal>,
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
  ): Promise<void> {
    const destroy = () => void stream.destroy()
    stream.on('error', destroy)
    const settled = await result
    this.#accept(settled, request, stream, head)
    stream.off('error', destroy)
  }

  #accept(
    result: ConnectResult | HandshakeRefusal,
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
  ): void {
    if ('reason' in result) return refuse(stream, result)
    const { endpoint } = this.#options
    this.#server.handleUpgrade(request, stream, head, (ws) => {
      const socket = new Socket(endpoint, ws, result)
      ws.attach(socket, stream, endpoint.writer)
      endpoint.addConnection(socket)
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const result = request.method === 'GET' ? await connect(this.#options, request, TRANSPORT) : undefined
    if (result && 'reason' in result) return void response.writeHead(RefusalStatus[result.reason]).end()
    response.writeHead(400, { 'content-type': 'text/plain' })
    response.end("The 'connection' header must contain 'upgrade'.")
  }
}

function refuse(stream: Duplex, { reason }: HandshakeRefusal): void {
  const status = RefusalStatus[reason]
  stream.on('error', () => stream.destroy())
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0`
  const retry = status === 403 ? '' : `\r\nretry-after: ${RETRY_AFTER_S}`
  stream.end(`${head}${retry}\r\n\r\n`, () => stream.destroy())
}
