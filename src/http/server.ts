import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import jwt from '@fastify/jwt'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Clock } from '../clock.ts'
import type { Config, Limits } from '../config/config.ts'
import { AppError } from '../errors.ts'
import { deriveKey } from '../keys.ts'
import { isWebSocketUpgrade } from '../realtime/socket/ignored-upgrades.ts'
import { lazyCompilers } from './lazy-compilers.ts'
import { RequestLog } from './logging.ts'
import { describeUploads } from './media/tus.ts'
import { MIN_UPLOAD_BYTES_PER_SECOND } from './media/upload-rate.ts'
import { enforceBodyTimeout } from './plugins/body-timeout.ts'
import { errorBody, handleErrors, sendError } from './plugins/errors.ts'
import { acceptJsonBodies } from './plugins/json-body.ts'
import { addSecurityHeaders } from './plugins/security.ts'

type ServerConfig = Pick<
  Config,
  'corsOrigins' | 'publicUrl' | 'rateLimits' | 'secretKeyBase' | 'trustProxy'
> & {
  limits: Pick<Limits, 'maxAttachmentBytes'>
}

const BODY_LIMIT_BYTES = 1_048_576
/** How long requests in progress may take after the server begins to close. */
const CLOSE_TIMEOUT_MS = 20_000
/** Node's own limit of the request line and headers, so that no parameter is too long for the router. */
const MAX_PARAM_LENGTH = 16_384

/** Creates the HTTP server without routes: the routes need the services, which need the access token signer of this server. */
export async function createHttpServer(
  config: ServerConfig,
  logger: FastifyBaseLogger,
  clock: Clock,
): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: logger,
    logController: new RequestLog(),
    bodyLimit: BODY_LIMIT_BYTES,
    // `enforceBodyTimeout` replaces this, per route. Headers have Node's default of a minute.
    requestTimeout: 0,
    trustProxy: config.trustProxy.length ? config.trustProxy : false,
    routerOptions: {
      ignoreTrailingSlash: true,
      ignoreDuplicateSlashes: true,
      maxParamLength: MAX_PARAM_LENGTH,
    },
    ajv: {
      customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: true, allErrors: true },
    },
    schemaController: { compilersFactory: lazyCompilers() },
    frameworkErrors: (error, request, reply) => sendError(error, request, reply, config.publicUrl),
    clientErrorHandler: answerClientError,
    return503OnClosing: false,
  })
  handleErrors(app, config.publicUrl)
  finishRequestsOnClose(app, clock)
  disconnectAfterRefusedUpgrade(app)
  enforceBodyTimeout(app, clock, config.rateLimits ? MIN_UPLOAD_BYTES_PER_SECOND : 0)
  acceptJsonBodies(app)
  describeUploads(app, config.limits)
  await addSecurityHeaders(app, config)
  await app.register(jwt, {
    secret: deriveKey(config.secretKeyBase, 'access tokens'),
    sign: { algorithm: 'HS256' },
    // `Sessions.verify` checks the expiry with the injected clock.
    verify: { algorithms: ['HS256'], ignoreExpiration: true },
  })
  return app
}

/**
 * While the server closes, rejects new requests on open connections with 503, finishes requests in progress, and disconnects slow
 * clients after a timeout.
 */
function finishRequestsOnClose(app: FastifyInstance, clock: Clock): void {
  let isClosing = false
  app.addHook('preClose', async () => {
    isClosing = true
    const cancel = clock.after(CLOSE_TIMEOUT_MS, () => app.server.closeAllConnections())
    app.server.once('close', cancel)
  })
  app.addHook('onRequest', async () => {
    if (isClosing) throw new AppError('busy')
  })
  // These responses announced a keep-alive connection before the server began to close.
  app.addHook('onResponse', async ({ raw }) => {
    if (isClosing) raw.socket.destroySoon()
  })
}

/** Node leaves the connection open, and unread, after a WebSocket request that is answered with an ordinary response. */
function disconnectAfterRefusedUpgrade(app: FastifyInstance): void {
  app.addHook('onResponse', async ({ raw }) => {
    if (isWebSocketUpgrade(raw) && raw.headers.connection?.match(/upgrade/i)) raw.socket.destroySoon()
  })
}

/** Answers input that is not HTTP, or not a complete request. There is no Fastify request to reply to. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const status =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400
  const body = JSON.stringify(errorBody(new AppError('bad_request')))
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n` +
        `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  }
  socket.destroy(error)
}
