import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../../clock.ts'

/** Milliseconds in which a body has to arrive; where it may take its time, in which something of it has to. */
const PATIENCE_MS = 60_000

/** For the `config` of a route whose body may take its time, as a large file over a slow line does. */
export const SLOW_BODY = { slowBody: true }

/** Cuts off requests whose body does not arrive in time: else a few clients could hold all connections for nothing. */
export function limitReceiving(app: FastifyInstance, clock: Clock): void {
  app.addHook('onRequest', (request, _reply, done) => {
    if (hasBody(request)) watch(app, request, clock)
    done()
  })
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function watch(app: FastifyInstance, { raw, routeOptions }: FastifyRequest, clock: Clock): void {
  const { socket } = raw
  const mayTakeItsTime = 'slowBody' in routeOptions.config
  let seen = socket.bytesRead
  let cancel = clock.after(PATIENCE_MS, judge)
  raw.once('end', () => cancel())
  raw.once('close', () => cancel())

  function judge(): void {
    const isComing = socket.bytesRead > seen
    seen = socket.bytesRead
    if (isComing && mayTakeItsTime) cancel = clock.after(PATIENCE_MS, judge)
    else app.server.emit('clientError', timedOut(), socket)
  }
}

/** As Node's own watch over whole requests puts it, which knows no exceptions. */
function timedOut(): Error {
  return Object.assign(new Error('The request took too long to arrive.'), {
    code: 'ERR_HTTP_REQUEST_TIMEOUT',
  })
}
