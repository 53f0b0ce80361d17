import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AccessClaims } from '../../domain/sessions/access-tokens.ts'

/** The authenticated user of a request, the session, and when the credentials expire. */
export type Caller = AccessClaims

const CALLER = 'caller'

/** Adds the `caller` slot to every request. */
export function decorateCaller(app: FastifyInstance): void {
  app.decorateRequest(CALLER, null)
}

/** Sets the caller of a request. */
export function setCaller(request: FastifyRequest, caller: Caller): void {
  request.setDecorator<Caller>(CALLER, caller)
}

/** The caller of a request, or undefined when it is not authenticated. */
export function callerIfKnown(request: FastifyRequest): Caller | undefined {
  return request.getDecorator<Caller | null>(CALLER) ?? undefined
}

/** The caller of a request to a route that requires authentication. */
export function callerOf(request: FastifyRequest): Caller {
  return request.getDecorator<Caller>(CALLER)
}
