import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../../config/config.ts'

type SecurityConfig = Pick<Config, 'corsOrigins' | 'publicUrl'>

/** The paths with CORS headers. Duplicate slashes count as one. */
const API_PATHS = /^\/+(auth|api)\//

/** Adds security headers to every response; CORS headers and `no-store` to those of the API. */
export async function addSecurityHeaders(app: FastifyInstance, { corsOrigins, publicUrl }: SecurityConfig) {
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
    // Browsers ignore both headers over plain HTTP.
    strictTransportSecurity: publicUrl.startsWith('https:') && {
      maxAge: 31_536_000,
      includeSubDomains: false,
    },
    crossOriginOpenerPolicy: publicUrl.startsWith('https:') && { policy: 'same-origin' },
  })
  const shared = {
    origin: corsOrigins,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: [
      'Content-Range',
      'ETag',
      'Location',
      'Retry-After',
      'Tus-Extension',
      'Tus-Max-Size',
      'Tus-Resumable',
      'Tus-Version',
      'Upload-Length',
      'Upload-Offset',
    ],
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
