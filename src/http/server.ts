import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import jwt from '@fastify/jwt'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import { deriveKey } from '../keys.ts'
import { RequestLog } from './logging.ts'
import { errorBody, handleErrors, sendError } from './plugins/errors.ts'
import { acceptJsonBodies } from './plugins/json-body.ts'
import { limitReceiving } from './plugins/receiving.ts'
import { protect } from './plugins/security.ts'

type ServerConfig = Pick<Config, 'corsOrigins' | 'publicUrl' | 'secretKeyBase' | 'trustProxy'>

const BODY_LIMIT_BYTES = 1_048_576
/** For requests that are under way when the server closes. */
const FINISH_WITHIN_MS = 20_000

/** A URL is at most 16 KiB anyway: an overlong parameter is for its route to judge. */
const MAX_PARAM_LENGTH = 16_384

/** Makes the HTTP server, without routes: `accessTokenSigner` works on it, which the services need first. */
export async function createHttpServer(
  config: ServerConfig,
  logger: FastifyBaseLogger,
  clock: Clock,
): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: logger,
    logController: new RequestLog(),
    bodyLimit: BODY_LIMIT_BYTES,
    // Node's limit knows no routes; how long headers may take is its default, a minute.
    requestTimeout: 0,
    trustProxy: config.trustProxy.length ? config.trustProxy : false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: MAX_PARAM_LENGTH },
    ajv: {
      customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: true, allErrors: true },
    },
    frameworkErrors: sendError,
    clientErrorHandler: refuseGarbage,
    return503OnClosing: false,
  })
  handleErrors(app)
  finishOnClose(app, clock)
  hangUpAfterRefusedUpgrades(app)
  limitReceiving(app, clock)
  acceptJsonBodies(app)
  await protect(app, config)
  await app.register(jwt, {
    secret: deriveKey(config.secretKeyBase, 'access tokens'),
    sign: { algorithm: 'HS256' },
    // Expiry is judged by the server's clock, not the library's.
    verify: { algorithms: ['HS256'], ignoreExpiration: true },
  })
  return app
}

/**
 * Connections outlive the listening socket: what still comes over them is refused before parts of the server are gone, and
 * what is under way may be finished, but not at a slow reader's leisure.
 */
function finishOnClose(app: FastifyInstance, clock: Clock): void {
  let isClosing = false
  app.addHook('preClose', async () => {
    isClosing = true
    const cancel = clock.after(FINISH_WITHIN_MS, () => app.server.closeAllConnections())
    app.server.once('close', cancel)
  })
  app.addHook('onRequest', async () => {
    if (isClosing) throw new AppError('busy')
  })
  // What was being answered when it began was promised a connection that stays.
  app.addHook('onResponse', async ({ raw }) => {
    if (isClosing) raw.socket.destroySoon()
  })
}

/** An upgrade that was answered like any other request has left the connection in nobody's care. */
function hangUpAfterRefusedUpgrades(app: FastifyInstance): void {
  app.addHook('onResponse', async ({ raw }) => {
    if (raw.headers.upgrade !== undefined && raw.headers.connection?.match(/upgrade/i))
      raw.socket.destroySoon()
  })
}

/** Answers what is not HTTP, or never becomes a whole request: there is no request yet that could be replied to. */
function refuseGarbage(error: NodeJS.ErrnoException, socket: Socket): void {
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
