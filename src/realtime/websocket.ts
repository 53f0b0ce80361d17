import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { WebSocketServer } from 'ws'
import { admit, type TransportOptions } from './handshake.ts'
import { Socket } from './socket.ts'
import { WebSocketWire } from './websocket-wire.ts'

const PROTOCOL = 'phoenix'

/** What takes the upgrades that are none of the endpoint's. */
export type UpgradeListener = (request: IncomingMessage, stream: Duplex, head: Buffer) => void

export interface WebSocketOptions extends TransportOptions {
  passOn: UpgradeListener
}

/**
 * Serves an endpoint over WebSockets. A client is let in or refused right at the upgrade, without the way of a request through
 * the server. Whoever may not connect is refused with 403: a client whose connection is opened and then closed would
 * come back at once, for ever.
 */
export async function websocketTransport(app: FastifyInstance, options: WebSocketOptions): Promise<void> {
  const { endpoint, maxFrameBytes, passOn } = options
  const path = `${options.path}/websocket`
  const server = new WebSocketServer({
    noServer: true,
    WebSocket: WebSocketWire,
    maxPayload: maxFrameBytes,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
  })

  app.server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    if (!isAt(path, request.url)) return passOn(request, stream, head)
    const admission = admit(options, request)
    if (typeof admission !== 'object') return refuse(stream, admission)
    server.handleUpgrade(request, stream, head, (ws) => {
      const socket = new Socket(endpoint, ws, admission)
      ws.attach(socket, stream, endpoint.writer)
      endpoint.remember(socket)
    })
  })

  app.get(path, { schema: { hide: true } }, async ({ raw }, reply) => {
    const admission = admit(options, raw)
    return reply.code(typeof admission === 'object' ? 404 : admission).send()
  })
}

function refuse(stream: Duplex, status: number): void {
  stream.on('error', () => stream.destroy())
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}`
  stream.end(`${head}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => stream.destroy())
}

function isAt(path: string, url = ''): boolean {
  return url.startsWith(path) && /^\/?(\?|$)/.test(url.slice(path.length))
}
