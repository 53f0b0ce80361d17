import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'

/** What the pages of the documentation may load: their own files, and the styles they write themselves. */
export const DOCUMENTATION_POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self' 'unsafe-inline'",
  'img-src': "'self' data:",
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
}

/** Documents the routes that are added after it, from their schemas: `/docs` to read, `/docs/json` as OpenAPI. */
export async function documentRoutes(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Parley',
        version: '1',
        description:
          'The HTTP side of the chat. Conversations themselves go over the socket, `/socket/websocket`. Every failure has ' +
          'the body `{"error": {"code", "message"}}`; a 422 adds `errors`, the messages per field.',
      },
      components: {
        securitySchemes: {
          accessToken: { type: 'http', scheme: 'bearer', description: 'The `auth_token` of signing in.' },
          whisperSession: {
            type: 'apiKey',
            in: 'cookie',
            name: 'whisper_session',
            description: 'The sign-in of a browser, in Whisper.',
          },
        },
      },
    },
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCUMENTATION_POLICY,
    theme: { title: 'Parley' },
  })
}
