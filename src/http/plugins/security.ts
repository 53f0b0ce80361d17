import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../../config.ts'

type SecurityConfig = Pick<Config, 'corsOrigins' | 'publicUrl'>

/** What other origins' pages may call; everything else answers them without CORS headers. */
const API_PATHS = /^\/(auth|api)\//

/** Adds protective headers to every answer, and CORS to those of the API, which are not to be kept either. */
export async function protect(app: FastifyInstance, { corsOrigins, publicUrl }: SecurityConfig) {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    crossOriginResourcePolicy: { policy: 'cross-origin' },
    // On plain HTTP browsers refuse both headers, or worse, obey the first for good.
    strictTransportSecurity: publicUrl.startsWith('https:') && {
      maxAge: 31_536_000,
      includeSubDomains: false,
    },
    crossOriginOpenerPolicy: publicUrl.startsWith('https:') && { policy: 'same-origin' },
  })
  const shared = {
    origin: corsOrigins,
    methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    exposedHeaders: ['Retry-After'],
    credentials: false,
    maxAge: 600,
    strictPreflight: false,
  }
  await app.register(cors, {
    delegator: (request, decide) =>
      decide(null, API_PATHS.test(request.url ?? '') ? shared : { origin: false }),
  })
  app.addHook('onRequest', (request, reply, done) => {
    if (API_PATHS.test(request.url)) reply.header('cache-control', 'no-store')
    done()
  })
}
