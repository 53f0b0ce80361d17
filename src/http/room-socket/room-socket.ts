import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import websocket from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Participant } from '../../domain/presence/room-presence.ts'
import { AppError } from '../../errors.ts'
import { MAX_METADATA_BYTES } from '../../input/media-frame.ts'
import { RefusalStatus } from '../../realtime/codes.ts'
import type { ExceededLimit } from '../../realtime/socket/connection-limits.ts'
import { isAllowedOrigin, RETRY_AFTER_S } from '../../realtime/socket/handshake.ts'
import { fragmentLimits, WebSocketTransport } from '../../realtime/socket/websocket-transport.ts'
import { deviceOf } from '../device.ts'
import { MIN_UPLOAD_BYTES_PER_SECOND } from '../media/upload-rate.ts'
import type { WhisperOptions } from '../options.ts'
import { authenticate, hasBearer } from '../plugins/authenticate.ts'
import { type Caller, callerIfKnown, setCaller } from '../plugins/caller.ts'
import { isSameOrigin } from '../plugins/same-origin.ts'
import { RoomConnection, type RoomConnectionOptions } from './connection.ts'
import { LargeFrameLimiter } from './large-frame-limiter.ts'

/** The subprotocol that is followed by an access token. Browsers cannot set headers on a WebSocket request. */
const PROTOCOL = 'bearer'

/** Memory for large frames in bytes, unless a single frame may be larger. */
const MAX_IN_FLIGHT_BYTES = 134_217_728

/** How often clients are pinged. A client that only listens sends nothing else. */
const PING_INTERVAL_MS = 25_000

/**
 * `/ws/chat/<room_id>/`: one room over its own WebSocket, in plain JSON and binary frames. Clients without access get a 403
 * before the upgrade.
 */
export const roomSocket: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  const { clock, config, endpoint, limits, sessions, rooms, securityLog } = options
  const { maxMediaBytes, maxFrameBytes } = config.limits
  const maxPayload = maxMediaBytes + MAX_METADATA_BYTES
  const slots = Math.max(1, Math.floor(MAX_IN_FLIGHT_BYTES / maxPayload))
  const shared: RoomConnectionOptions = {
    endpoint,
    services: options,
    largeFrames: new LargeFrameLimiter(slots, clock, config.rateLimits ? MIN_UPLOAD_BYTES_PER_SECOND : 0),
    maxTextBytes: maxFrameBytes,
  }
  await app.register(websocket, {
    options: {
      server: options.upgrades,
      // The plugin's type requires all exports of the `ws` module; `ws` itself accepts any WebSocket class.
      WebSocket: WebSocketTransport as never,
      perMessageDeflate: false,
      maxPayload,
      ...fragmentLimits(maxPayload),
      handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
    },
    // `Endpoint.drain` closes the sockets, with a close code.
    preClose: (done) => done(),
  })

  const stopPinging = clock.every(PING_INTERVAL_MS, () => {
    for (const ws of app.websocketServer.clients) ws.ping()
  })
  app.addHook('onClose', async () => stopPinging())

  /** Authorized connections that have no socket yet. */
  const pending = new WeakMap<FastifyRequest, { connection: RoomConnection; participant: Participant }>()

  app.get(
    '/ws/chat/:room_id',
    {
      websocket: true,
      schema: { params: Type.Object({ room_id: Type.String() }) },
      preValidation: async (request) => {
        try {
          await connect(request)
        } catch (error) {
          recordRejection(request, error)
          throw error
        }
      },
    },
    (ws, request) => {
      const { connection, participant } = pending.get(request) ?? {}
      if (!connection || !participant || connection.isClosed) return ws.terminate()
      // The plugin makes the class that it was registered with, above.
      connection.open(ws as WebSocketTransport, request.raw.socket, participant)
    },
  )

  /** Authorizes a client and creates its connection. @throws AppError when it is rejected. */
  async function connect(request: FastifyRequest): Promise<void> {
    const { room_id: roomId } = request.params as { room_id: string }
    const identity = await identifyWithinLimits(request)
    // A drain that starts after this check closes the connection.
    if (endpoint.isDraining) throw new AppError('busy')
    if (!request.ws) throw new AppError('not_found')
    if (request.raw.socket.destroyed) throw new AppError('forbidden')
    const origin = { identity, address: options.addressOf(request.raw) }
    requireWithinLimits(endpoint.exceededLimit(origin))
    const connection = new RoomConnection(shared, origin, roomId)
    // The handshake may still fail after this.
    request.raw.socket.once('close', () => connection.onDisconnect())
    try {
      await connection.subscribed
      const { userId } = identity
      const { username } = await asForbidden(rooms.requireMember(roomId, userId))
      // The user was removed or signed out, or the server is draining, since the connection was created.
      if (connection.isClosed) throw new AppError(endpoint.isDraining ? 'busy' : 'forbidden')
      pending.set(request, { connection, participant: { roomId, userId, username } })
    } catch (error) {
      connection.onDisconnect()
      throw error
    }
  }

  /** Authenticates a client. Each attempt counts as a request, of the user if authenticated. @throws AppError `forbidden` or `rate_limited` */
  async function identifyWithinLimits(request: FastifyRequest): Promise<Caller> {
    try {
      const caller = await identify(request)
      setCaller(request, caller)
      return caller
    } finally {
      await limits.requests(request)
    }
  }

  /** Records in the security log why a client was rejected. */
  function recordRejection(request: FastifyRequest, error: unknown): void {
    const cause = error instanceof AppError && error.status === 403 ? error.cause : error
    if (!(cause instanceof AppError) || cause.status >= 500 || cause.code === 'not_found') return
    const { userId, sessionId } = callerIfKnown(request) ?? {}
    const reason = cause.code === 'cross_origin' ? 'origin' : cause.code
    securityLog.record('socket_refused', { userId, sessionId, ...deviceOf(request), reason })
  }

  /** @throws AppError `forbidden` */
  async function identify(request: FastifyRequest): Promise<Caller> {
    if (!isAllowedOrigin(request, config.allowedOrigins)) throw foreignOrigin()
    if (hasBearer(request)) return asForbidden(authenticate(request, options))
    const token = offeredToken(request)
    if (token !== undefined) return asForbidden(verify(token))
    // A page of any site can connect, and the browser sends the cookie with the request.
    if (!isSameOrigin(request, config.publicUrl)) throw foreignOrigin()
    return asForbidden(authenticate(request, options))
  }

  async function verify(token: string): Promise<Caller> {
    return sessions.verify(token)
  }
}

function foreignOrigin(): AppError {
  return new AppError('forbidden', { cause: new AppError('cross_origin') })
}

/** @throws AppError `rate_limited` or `busy` when a limit of connections is exceeded. */
function requireWithinLimits(limit: ExceededLimit | undefined): void {
  if (!limit) return
  const retryAfterMs = RETRY_AFTER_S * 1_000
  throw new AppError(RefusalStatus[limit] === 429 ? 'rate_limited' : 'busy', { retryAfterMs })
}

/** The access token of a browser: the subprotocol after `bearer`. */
function offeredToken({ headers }: FastifyRequest): string | undefined {
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? []
  const index = offered.indexOf(PROTOCOL)
  return index < 0 ? undefined : offered[index + 1]
}

/** Maps every error below 500 to `forbidden`, so that all rejections look the same. @throws AppError `forbidden`, or a server error. */
async function asForbidden<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof AppError && error.status < 500) throw new AppError('forbidden', { cause: error })
    throw error
  }
}
