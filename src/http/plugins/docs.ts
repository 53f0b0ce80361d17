import { readFileSync } from 'node:fs'
import swagger from '@fastify/swagger'
import swaggerUi, { type FastifySwaggerUiOptions } from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { assetBytes } from '../pages/assets.ts'
import { hostCookieName } from './host-cookies.ts'

/** The Content-Security-Policy of the documentation pages. Swagger UI and Redoc need inline styles. */
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

/** The version and the license of the server. */
export const packageInfo: { version: string; license: string } = JSON.parse(
  readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
)

const DESCRIPTION =
  'The HTTP API of a Parley server. Clients send and receive messages over a WebSocket, `/socket/websocket`, with the Phoenix ' +
  'Channels protocol. Every error response has the body `{"error": {"code", "message"}}`; a 422 adds `errors`, the messages ' +
  'of each field.'

const TAGS = {
  Authentication: 'Registration, sign-in with a password, tokens, and the links in emails.',
  Account: "The caller's own account: settings, password, email and security events.",
  Keys: 'Public keys of accounts, their history, and the locked private keys of the caller.',
  Sessions: 'The sessions of the caller.',
  Users: 'The directory of users.',
  Conversations: 'Encrypted conversations and their message history.',
  Attachments: 'Files of encrypted conversations, encrypted by the clients.',
  'Whisper authentication': 'Sign-in without a password: email, authenticator app, Google.',
  Rooms: 'Rooms, their members and their messages.',
  Media: 'Images, audio and video in rooms.',
  Operations: 'Health checks and metrics.',
}

/**
 * Documents the routes that are added later, from their schemas: `/docs` is Swagger UI, `/docs/json` the OpenAPI document.
 * @param publicUrl the base URL of the API.
 */
export async function documentRoutes(app: FastifyInstance, publicUrl: string): Promise<void> {
  const { version, license } = packageInfo
  await app.register(swagger, {
    stripBasePath: false,
    // A component is named by the `$id` of its schema. Schemas without `$id` stay inline.
    refResolver: { buildLocalReference: ({ $id }, _uri, _fragment, index) => String($id ?? `def-${index}`) },
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Parley',
        version,
        description: DESCRIPTION,
        license: { name: license, identifier: license },
      },
      servers: [{ url: publicUrl }],
      externalDocs: { description: 'The events of the sockets', url: `${publicUrl}/docs/events` },
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: {
          accessToken: { type: 'http', scheme: 'bearer', description: 'The `auth_token` of a sign-in.' },
          whisperSession: {
            type: 'apiKey',
            in: 'cookie',
            name: hostCookieName('whisper_session', publicUrl),
            description: 'The session cookie of a browser, in Whisper.',
          },
        },
      },
    },
  })
  await app.register(swaggerUi, { ...SWAGGER_UI, routePrefix: '/docs' })
}

/** The options of Swagger UI at all paths that serve it. */
export const SWAGGER_UI: Omit<FastifySwaggerUiOptions, 'routePrefix'> = {
  staticCSP: DOCUMENTATION_POLICY,
  theme: {
    title: 'Parley API',
    favicon: [
      {
        filename: 'icon.svg',
        rel: 'icon',
        sizes: 'any',
        type: 'image/svg+xml',
        content: assetBytes('icon.svg'),
      },
    ],
  },
  logo: { type: 'image/svg+xml', content: assetBytes('icon.svg'), href: '/docs' },
}
