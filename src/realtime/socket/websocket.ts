import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { WebSocketServer } from 'ws'
import { connect, type HandshakeOptions, type HandshakeRefusal, RETRY_AFTER_S } from './handshake.ts'
import { Socket } from './socket.ts'
import { fragmentLimits, WebSocketTransport } from './websocket-transport.ts'

const PROTOCOL = 'phoenix'

/** Handles the upgrade requests of other paths. */
export type UpgradeListener = (request: IncomingMessage, stream: Duplex, head: Buffer) => void

export interface WebSocketOptions extends HandshakeOptions {
  onOtherUpgrade: UpgradeListener
}

/**
 * Serves an endpoint over WebSockets. It accepts or refuses clients at the upgrade, without Fastify's request lifecycle. A
 * refusal is a 403 instead of a close frame, because phoenix.js resets its backoff whenever a connection opens.
 */
export async function serveWebSockets(app: FastifyInstance, options: WebSocketOptions): Promise<void> {
  const { endpoint, maxFrameBytes, onOtherUpgrade } = options
  const path = `${options.path}/websocket`
  const server = new WebSocketServer({
    noServer: true,
    WebSocket: WebSocketTransport,
    maxPayload: maxFrameBytes,
    ...fragmentLimits(maxFrameBytes),
    // At most one message per connection and iteration of the event loop, for fairness.
    allowSynchronousEvents: false,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
  })

  app.server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    if (!isAt(path, request.url)) return onOtherUpgrade(request, stream, head)
    const result = connect(options, request)
    if ('reason' in result) return refuse(stream, result)
    server.handleUpgrade(request, stream, head, (ws) => {
      const socket = new Socket(endpoint, ws, result)
      ws.attach(socket, stream, endpoint.writer)
      endpoint.addConnection(socket)
    })
  })

  app.get(path, { schema: { hide: true } }, async ({ raw }, reply) => {
    const result = connect(options, raw)
    return reply.code('reason' in result ? result.status : 404).send()
  })
}

function refuse(stream: Duplex, { status }: HandshakeRefusal): void {
  stream.on('error', () => stream.destroy())
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0`
  const retry = status === 403 ? '' : `\r\nretry-after: ${RETRY_AFTER_S}`
  stream.end(`${head}${retry}\r\n\r\n`, () => stream.destroy())
}

function isAt(path: string, url = ''): boolean {
  return url.startsWith(path) && /^\/?(\?|$)/.test(url.slice(path.length))
}
