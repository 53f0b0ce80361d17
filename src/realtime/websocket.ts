import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { WebSocket, WebSocketServer } from 'ws'
import { admit, type TransportOptions } from './handshake.ts'
import { Socket, type Wire } from './socket.ts'
import { routeUpgrade } from './upgrades.ts'
import type { Outlet, Writer } from './writer.ts'

const PROTOCOL = 'phoenix'

/**
 * Serves an endpoint over WebSockets. Whoever may connect is let in right at the upgrade; everything else is routed like
 * any request, and refused there: with 403, for a client whose connection is opened and then closed would come back at
 * once, for ever.
 */
export async function websocketTransport(app: FastifyInstance, options: TransportOptions): Promise<void> {
  const { endpoint, maxFrameBytes } = options
  const path = `${options.path}/websocket`
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: maxFrameBytes,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
  })

  app.server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const admission = isAt(path, request.url) ? admit(options, request) : undefined
    if (typeof admission !== 'object') return routeUpgrade(app, request, head)
    server.handleUpgrade(request, stream, head, (ws: PhoenixWebSocket) => {
      const wire = new WebSocketWire(ws, stream, endpoint.writer)
      ws.owner = new Socket(endpoint, wire, admission)
      endpoint.remember(ws.owner)
      listen(ws)
    })
  })

  app.get(path, { schema: { hide: true } }, async ({ raw }, reply) => {
    const admission = admit(options, raw)
    return reply.code(typeof admission === 'object' ? 404 : admission).send()
  })
}

/** A WebSocket that knows whose it is. */
type PhoenixWebSocket = WebSocket & { owner?: Socket }

/** The listeners are shared by all connections, so that an idle one costs no closures. */
function listen(ws: PhoenixWebSocket): void {
  ws.on('error', onError)
  ws.on('message', onMessage)
  ws.on('ping', onPing)
  ws.on('close', onClose)
}

function onMessage(this: PhoenixWebSocket, data: Buffer, isBinary: boolean): void {
  this.owner?.receiveFrame(data, isBinary)
}

function onPing(this: PhoenixWebSocket): void {
  this.owner?.heard()
}

function onClose(this: PhoenixWebSocket): void {
  this.owner?.disconnected()
}

/** Whatever the connection failed with (a reset, a frame too large), `ws` closes it with the code that says so. */
function onError(): void {}

class WebSocketWire implements Wire, Outlet {
  readonly stream: Duplex
  corked = false
  readonly #ws: PhoenixWebSocket
  readonly #writer: Writer

  constructor(ws: PhoenixWebSocket, stream: Duplex, writer: Writer) {
    this.#ws = ws
    this.stream = stream
    this.#writer = writer
  }

  write(frame: Buffer): void {
    if (this.#ws.readyState === WebSocket.OPEN) this.#writer.write(this, frame)
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason)
  }

  terminate(): void {
    this.#ws.terminate()
    this.#ws.owner?.disconnected()
  }
}

function isAt(path: string, url = ''): boolean {
  return url.startsWith(path) && /^\/?(\?|$)/.test(url.slice(path.length))
}
