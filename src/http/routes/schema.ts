import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { acceptedTypes } from '../content-negotiation.ts'
import { assetUrl } from '../pages/assets.ts'
import { DOCUMENTATION_POLICY, SWAGGER_UI } from '../plugins/docs.ts'

const PREFIX = '/api/schema'
const SCRIPT = `${PREFIX}/redoc/redoc.js`

/** Redoc runs its search in a worker that it creates from a blob. */
const REDOC_POLICY = Object.entries({ ...DOCUMENTATION_POLICY, 'worker-src': 'blob:' })
  .map(([directive, sources]) => `${directive} ${sources}`)
  .join('; ')

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Parley API</title>
<style>body { margin: 0 }</style>
<link rel="icon" type="image/svg+xml" href="${assetUrl('icon.svg')}">
</head>
<body>
<redoc spec-url="${PREFIX}/"></redoc>
<script src="${SCRIPT}"></script>
</body>
</html>
`

/** The OpenAPI document at the paths that Whisper's clients use, with Swagger UI and Redoc. */
export const schemaRoutes: FastifyPluginAsync = async (app) => {
  const schema = { hide: true }
  let redoc: string | undefined

  app.get<{ Querystring: { format?: string } }>(PREFIX, { schema }, async (request, reply) => {
    reply.header('vary', 'accept')
    if (!wantsYaml(request)) return app.swagger()
    reply.type('application/yaml; charset=utf-8')
    return app.swagger({ yaml: true })
  })

  app.get(`${PREFIX}/redoc`, { schema }, async (_request, reply) => {
    reply.type('text/html; charset=utf-8').header('content-security-policy', REDOC_POLICY)
    return PAGE
  })

  app.get(SCRIPT, { schema }, async (_request, reply) => {
    redoc ??= readRedoc()
    reply.type('text/javascript; charset=utf-8').header('cache-control', 'public, max-age=86400')
    return redoc
  })

  await app.register(swaggerUi, { ...SWAGGER_UI, routePrefix: `${PREFIX}/swagger-ui` })
}

function wantsYaml(request: FastifyRequest<{ Querystring: { format?: string } }>): boolean {
  const { format } = request.query
  if (format !== undefined) return format === 'yaml'
  return acceptedTypes(request).some((type) => /\byaml\b/.test(type))
}

/** The published bundle of Redoc, without the logo that it loads from another server. */
function readRedoc(): string {
  const file = createRequire(import.meta.url).resolve('redoc/bundles/redoc.standalone.js')
  return readFileSync(file, 'utf8').replace('https://cdn.redoc.ly/redoc/logo-mini.svg', 'data:,')
}
