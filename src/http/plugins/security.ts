import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../../config.ts'

type SecurityConfig = Pick<Config, 'corsOrigins' | 'publicUrl'>

/** What other origins' pages may call; everything else answers them without CORS headers. */
const API_PATHS = /^\/(auth|api)\//

/** What an answer may do in a browser, unless its route allows it more: nothing, but be read by other origins. */
const PROTECTION = {
  'content-security-policy': "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'",
  'cross-origin-resource-policy': 'cross-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'SAMEORIGIN',
  'x-permitted-cross-domain-policies': 'none',
  // The filter of old browsers opened holes of its own.
  'x-xss-protection': '0',
}

/** On plain HTTP browsers refuse both headers, or worse, obey the first for good. */
const HTTPS_PROTECTION = {
  'strict-transport-security': 'max-age=31536000',
  'cross-origin-opener-policy': 'same-origin',
}

const PREFLIGHT = {
  'access-control-allow-methods': 'GET, HEAD, POST, PATCH, DELETE',
  'access-control-max-age': '600',
  'content-length': '0',
}

/** Adds protective headers to every answer, and CORS to those of the API, which are not to be kept either. */
export function protect(app: FastifyInstance, { corsOrigins, publicUrl }: SecurityConfig): void {
  const everywhere = publicUrl.startsWith('https:') ? { ...PROTECTION, ...HTTPS_PROTECTION } : PROTECTION
  const inApi = { ...everywhere, 'cache-control': 'no-store', 'access-control-expose-headers': 'Retry-After' }
  app.addHook('onRequest', (request, reply, done) => {
    if (!API_PATHS.test(request.url)) {
      reply.headers(everywhere)
      return done()
    }
    reply.headers(inApi)
    share(request, reply, corsOrigins)
    // Answered before anything asks for a token, which a preflight never carries.
    if (request.method === 'OPTIONS') answerPreflight(request, reply)
    else done()
  })
}

/** Lets pages of these origins read the answer; never with credentials. */
function share({ headers }: FastifyRequest, reply: FastifyReply, origins: '*' | string[]): void {
  if (origins === '*') {
    reply.header('access-control-allow-origin', '*')
    return
  }
  reply.header('vary', 'Origin')
  if (headers.origin !== undefined && origins.includes(headers.origin)) {
    reply.header('access-control-allow-origin', headers.origin)
  }
}

function answerPreflight({ headers }: FastifyRequest, reply: FastifyReply): void {
  const vary = reply.getHeader('vary')
  const asked = headers['access-control-request-headers']
  reply.headers(PREFLIGHT)
  reply.header('vary', `${vary === undefined ? '' : `${vary}, `}Access-Control-Request-Headers`)
  if (asked !== undefined) reply.header('access-control-allow-headers', asked)
  reply.code(204).send()
}
