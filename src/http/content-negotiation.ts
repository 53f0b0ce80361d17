import accepts from 'accepts'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type TSchema, Type } from 'typebox'

/** The media types that `Accept` names, in lower case and without those of weight 0 (RFC 9110, section 12.5.1). */
export function acceptedTypes({ raw }: FastifyRequest): string[] {
  const types = accepts(raw).types()
  return Array.isArray(types) ? types.map((type) => type.toLowerCase()) : []
}

/** Whether `Accept` names JSON. Wildcards do not count. */
export function wantsJson(request: FastifyRequest): boolean {
  return acceptedTypes(request).includes('application/json')
}

/** Whether the client is a browser that loads a page: `Accept` names HTML, and not JSON. */
export function wantsHtml(request: FastifyRequest): boolean {
  return acceptedTypes(request).includes('text/html') && !wantsJson(request)
}

/** Marks the responses of `app` as dependent on `Accept`, for caches. */
export function varyByAccept(app: FastifyInstance): void {
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('vary', [reply.getHeader('vary') ?? [], 'Accept'].flat().join(', '))
  })
}

/** The OpenAPI schema of a response that is JSON for programs and a page for browsers. */
export function jsonOrPage<Body extends TSchema>(schema: Body, description: string) {
  return { description, content: { 'application/json': { schema }, 'text/html': { schema: Type.String() } } }
}
