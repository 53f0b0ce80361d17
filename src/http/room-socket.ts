import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import websocket from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { MAX_METADATA_BYTES } from '../domain/room-frames.ts'
import type { Visitor } from '../domain/room-life.ts'
import { AppError } from '../errors.ts'
import { isAllowedOrigin } from '../realtime/handshake.ts'
import { WebSocketWire } from '../realtime/websocket-wire.ts'
import type { WhisperOptions } from './options.ts'
import type { Caller } from './plugins/authenticate.ts'
import { callerFrom, hasBearer, isSameOrigin } from './plugins/session.ts'
import { RoomConnection, type RoomConnectionOptions } from './room-connection.ts'
import { RoomIntake } from './room-intake.ts'

/** The subprotocol that says the next one is an access token: browsers can set no header. */
const PROTOCOL = 'bearer'

/** Bytes of long frames that may be in memory at once, unless a single one is longer. */
const MAX_IN_FLIGHT_BYTES = 134_217_728

/** How often clients are asked whether they are still there: whoever only listens says nothing by themself. */
const PING_MS = 25_000

/**
 * `/ws/chat/<room_id>/`: one room over a WebSocket of its own, in plain JSON and binary frames. Who may not enter is
 * refused with 403 before the upgrade.
 */
export const roomSocket: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  const { clock, config, endpoint, sessions, rooms } = options
  const { maxMediaBytes, maxFrameBytes } = config.limits
  const maxPayload = maxMediaBytes + MAX_METADATA_BYTES
  const places = Math.max(1, Math.floor(MAX_IN_FLIGHT_BYTES / maxPayload))
  const shared: RoomConnectionOptions = {
    endpoint,
    services: options,
    intake: new RoomIntake(places, clock),
    maxTextBytes: maxFrameBytes,
  }
  await app.register(websocket, {
    options: {
      server: options.upgrades,
      // The plugin's type wants all that the module of `ws` exports; `ws` itself takes any WebSocket.
      WebSocket: WebSocketWire as never,
      perMessageDeflate: false,
      maxPayload,
      handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
    },
    // Sockets are closed by `Endpoint.drain`, with a code that says why.
    preClose: (done) => done(),
  })

  const stopPinging = clock.every(PING_MS, () => {
    for (const ws of app.websocketServer.clients) ws.ping()
  })
  app.addHook('onClose', async () => stopPinging())

  /** Those who are let in, until they have their socket. */
  const admitted = new WeakMap<FastifyRequest, { connection: RoomConnection; visitor: Visitor }>()

  app.get(
    '/ws/chat/:room_id',
    {
      websocket: true,
      schema: { params: Type.Object({ room_id: Type.String() }) },
      preValidation: async (request) => {
        const { room_id: roomId } = request.params as { room_id: string }
        const identity = await identify(request)
        // From here on a drain finds the connection.
        if (endpoint.isDraining) throw new AppError('busy')
        if (!request.ws) throw new AppError('not_found')
        if (request.raw.socket.destroyed) throw new AppError('forbidden')
        const connection = new RoomConnection(shared, identity, roomId)
        // A handshake that fails after this gets no further.
        request.raw.socket.once('close', () => connection.disconnected())
        try {
          await connection.listening
          const { userId } = identity
          const { username } = await refusing(rooms.requireMember(roomId, userId))
          // Put out, signed out or sent elsewhere while that was asked.
          if (connection.isClosed) throw new AppError(endpoint.isDraining ? 'busy' : 'forbidden')
          admitted.set(request, { connection, visitor: { roomId, userId, username } })
        } catch (error) {
          connection.disconnected()
          throw error
        }
      },
    },
    (ws, request) => {
      const { connection, visitor } = admitted.get(request) ?? {}
      if (!connection || !visitor || connection.isClosed) return ws.terminate()
      connection.open(ws as WebSocketWire, request.raw.socket, visitor)
    },
  )

  /** @throws AppError `forbidden` */
  async function identify(request: FastifyRequest): Promise<Caller> {
    if (!isAllowedOrigin(request, config.allowedOrigins)) throw new AppError('forbidden')
    if (hasBearer(request)) return refusing(callerFrom(request))
    const token = offeredToken(request)
    if (token !== undefined) return refusing(verify(token))
    // A page of any site can connect, and the browser would send the cookie along.
    if (!isSameOrigin(request)) throw new AppError('forbidden')
    return refusing(callerFrom(request))
  }

  async function verify(token: string): Promise<Caller> {
    return sessions.verify(token)
  }
}

/** The token of a browser: what it offers after the subprotocol `bearer`. */
function offeredToken({ headers }: FastifyRequest): string | undefined {
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? []
  const index = offered.indexOf(PROTOCOL)
  return index < 0 ? undefined : offered[index + 1]
}

/** Tells every rule that is broken in the same way. @throws AppError `forbidden`, or what is no fault of the client. */
async function refusing<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof AppError && error.status < 500) throw new AppError('forbidden', { cause: error })
    throw error
  }
}
