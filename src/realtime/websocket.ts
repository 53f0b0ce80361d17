import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { WebSocketServer } from 'ws'
import { admit, type TransportOptions } from './handshake.ts'
import { Socket } from './socket.ts'
import { routeUpgrade } from './upgrades.ts'
import { WebSocketWire } from './websocket-wire.ts'

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
    WebSocket: WebSocketWire,
    maxPayload: maxFrameBytes,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
  })

  app.server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const admission = isAt(path, request.url) ? admit(options, request) : undefined
    if (typeof admission !== 'object') return routeUpgrade(app, request, head)
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

function isAt(path: string, url = ''): boolean {
  return url.startsWith(path) && /^\/?(\?|$)/.test(url.slice(path.length))
}
