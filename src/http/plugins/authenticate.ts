import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AccessClaims } from '../../domain/access-tokens.ts'
import type { Sessions } from '../../domain/sessions.ts'
import type { RateLimits } from './rate-limit.ts'

/** Who is asking, on which session. */
export type Caller = Pick<AccessClaims, 'userId' | 'sessionId'>

const CALLER = 'caller'

/** Makes room on every request for who is asking. */
export function identifyCallers(app: FastifyInstance): void {
  app.decorateRequest(CALLER, null)
}

/** Lets only signed-in users reach the routes of `app`, each within the limit of requests. */
export function requireSignIn(
  app: FastifyInstance,
  sessions: Pick<Sessions, 'verify'>,
  limits: RateLimits,
): void {
  app.addHook('onRequest', async (request) => {
    try {
      rememberCaller(request, sessions.verify(bearerToken(request)))
    } finally {
      await limits.requests(request)
    }
  })
}

/** Notes whose request it is. */
export function rememberCaller(request: FastifyRequest, caller: Caller): void {
  request.setDecorator<Caller>(CALLER, caller)
}

/** The signed-in user of a request, or undefined where no sign-in is needed. */
export function callerIfKnown(request: FastifyRequest): Caller | undefined {
  return request.getDecorator<Caller | null>(CALLER) ?? undefined
}

/** The signed-in user of a request to a route that needs one. */
export function callerOf(request: FastifyRequest): Caller {
  return request.getDecorator<Caller>(CALLER)
}

/** The token of an `Authorization: Bearer` header (RFC 6750). */
export function bearerToken({ headers }: FastifyRequest): string | undefined {
  return /^bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]
}
