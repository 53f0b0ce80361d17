import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../../clock.ts'

/** A request body must arrive within this time. With `SLOW_BODY`, enough of it must arrive in each such period. */
const BODY_TIMEOUT_MS = 60_000

/** For the `config` of a route that accepts large bodies over slow connections. */
export const SLOW_BODY = { slowBody: true }

/**
 * Disconnects requests whose body arrives too slowly, with status 408: otherwise a few clients could hold all connections.
 * @param minBytesPerSecond of bodies with `SLOW_BODY`.
 */
export function enforceBodyTimeout(app: FastifyInstance, clock: Clock, minBytesPerSecond: number): void {
  const minBytes = Math.max(1, (minBytesPerSecond * BODY_TIMEOUT_MS) / 1_000)
  app.addHook('onRequest', (request, reply, done) => {
    if (hasBody(request)) watch(app, { request, reply }, clock, minBytes)
    done()
  })
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function watch(
  app: FastifyInstance,
  { request: { raw, routeOptions }, reply }: { request: FastifyRequest; reply: FastifyReply },
  clock: Clock,
  minBytes: number,
): void {
  const { socket } = raw
  const isSlowBody = 'slowBody' in routeOptions.config
  let received = socket.bytesRead
  let cancel = clock.after(BODY_TIMEOUT_MS, check)
  raw.once('end', () => cancel())
  raw.once('close', () => cancel())

  function check(): void {
    const isArriving = socket.bytesRead - received >= minBytes
    received = socket.bytesRead
    // Once the reply is sent, the rest of the body is not needed.
    if (isArriving && isSlowBody && !reply.sent) cancel = clock.after(BODY_TIMEOUT_MS, check)
    else app.server.emit('clientError', timeoutError(), socket)
  }
}

/** The error of Node's own `requestTimeout`, which cannot be set per route. */
function timeoutError(): Error {
  return Object.assign(new Error('The request took too long to arrive.'), {
    code: 'ERR_HTTP_REQUEST_TIMEOUT',
  })
}
