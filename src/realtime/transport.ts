import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { chooseSerializer } from '../protocol/serializer.ts'
import type { Endpoint } from './endpoint.ts'
import { type Identity, Socket } from './socket.ts'

export interface TransportOptions {
  endpoint: Endpoint
  /** Where the endpoint is mounted; the WebSocket is at `<path>/websocket`. */
  path: string
  /** Bytes of one incoming frame; more closes the connection with 1009. */
  maxFrameBytes: number
  allowedOrigins: '*' | string[]
  /** Says whose token this is; undefined refuses the connection. Must not wait: a handshake is answered at once. */
  authenticate(token: string | undefined): Identity | undefined
}

interface SocketQuery {
  token?: string
  vsn?: string
}

/** How phoenix.js names the subprotocol that carries its `authToken`. */
const TOKEN_PROTOCOL_PREFIX = 'base64url.bearer.phx.'
const PROTOCOL = 'phoenix'

const socketOf = new WeakMap<WebSocket, Socket>()

/**
 * Serves an endpoint over WebSockets. Whoever may not connect is refused with 403 before the upgrade: a client whose
 * connection is opened and then closed would come back at once, for ever.
 */
export async function websocketTransport(app: FastifyInstance, options: TransportOptions): Promise<void> {
  await app.register(websocket, {
    options: {
      maxPayload: options.maxFrameBytes,
      perMessageDeflate: false,
      clientTracking: false,
      handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
    },
    // Sockets are closed by `Endpoint.drain`, with a code that says why.
    preClose: (done) => done(),
  })

  const identities = new WeakMap<FastifyRequest, Identity>()

  async function admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { token, vsn } = request.query as SocketQuery
    const identity = isAllowedOrigin(request, options.allowedOrigins)
      ? options.authenticate(tokenOf(request) ?? token)
      : undefined
    if (options.endpoint.isDraining) return void (await reply.code(503).send())
    if (!identity || !chooseSerializer(vsn)) return void (await reply.code(403).send())
    identities.set(request, identity)
  }

  app.get(`${options.path}/websocket`, { websocket: true, preValidation: admit }, (ws, request) => {
    const serializer = chooseSerializer((request.query as SocketQuery).vsn)
    const identity = identities.get(request)
    if (!serializer || !identity) return ws.terminate()
    const { socket: stream } = request.raw
    const socket = new Socket(options.endpoint, { ws, stream }, serializer, identity)
    socketOf.set(ws, socket)
    options.endpoint.remember(socket)
    listen(ws)
  })
}

/** The listeners are shared by all connections, so that an idle one costs no closures. */
function listen(ws: WebSocket): void {
  // The plugin's own error listener holds on to the request for as long as the connection lives.
  ws.removeAllListeners('error')
  ws.on('error', onError)
  ws.on('message', onMessage)
  ws.on('ping', onPing)
  ws.on('close', onClose)
}

function onMessage(this: WebSocket, data: Buffer, isBinary: boolean): void {
  socketOf.get(this)?.receiveFrame(data, isBinary)
}

function onPing(this: WebSocket): void {
  const socket = socketOf.get(this)
  if (socket) socket.heardAt = socket.endpoint.clock.now()
}

function onClose(this: WebSocket): void {
  socketOf.get(this)?.disconnected()
}

/** Whatever the connection failed with (a reset, a frame too large), `ws` closes it with the code that says so. */
function onError(this: WebSocket): void {}

/** The token of phoenix.js 1.8 and newer: a subprotocol, so that it is in no log of addresses. */
function tokenOf(request: FastifyRequest): string | undefined {
  const protocols = request.headers['sec-websocket-protocol']?.split(',') ?? []
  const encoded = protocols.map((name) => name.trim()).find((name) => name.startsWith(TOKEN_PROTOCOL_PREFIX))
  return encoded && Buffer.from(encoded.slice(TOKEN_PROTOCOL_PREFIX.length), 'base64url').toString()
}

/** Only browsers send an origin; the token decides who others are. */
export function isAllowedOrigin(request: Pick<FastifyRequest, 'headers'>, allowed: '*' | string[]): boolean {
  const { origin } = request.headers
  return allowed === '*' || origin === undefined || allowed.includes(origin)
}
