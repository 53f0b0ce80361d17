import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import type { HttpOptions, RouteOptions } from '../options.ts'
import { identifyCallers, requireSignIn } from '../plugins/authenticate.ts'
import { documentRoutes } from '../plugins/docs.ts'
import { measureRequests } from '../plugins/metrics.ts'
import { createRateLimits } from '../plugins/rate-limit.ts'
import { accountRoutes } from './account.ts'
import { authRoutes } from './auth.ts'
import { conversationRoutes } from './conversations.ts'
import { devMailboxRoutes } from './dev-mailbox.ts'
import { healthRoutes } from './health.ts'
import { messageRoutes } from './messages.ts'
import { schemaRoutes } from './schema.ts'
import { sessionRoutes } from './sessions.ts'
import { userRoutes } from './users.ts'
import { whisperRoutes } from './whisper/index.ts'

/** Adds every HTTP route to a server made by `createHttpServer`. */
export async function registerRoutes(app: FastifyInstance, options: HttpOptions): Promise<void> {
  const { config, endpoint, services, dialect, sharedCounter } = options
  const { clock, sessions } = services
  measureRequests(app, options.registry)
  identifyCallers(app)
  await documentRoutes(app)
  const limits = await createRateLimits(app, {
    enabled: config.rateLimits,
    clock,
    sessions,
    sharedCounter,
  })
  const routeOptions: RouteOptions = { ...services, dialect, limits, contract: config.contract }

  await app.register(healthRoutes, { ...options, clock })
  await app.register(devMailboxRoutes, { mailbox: options.mailbox })
  await app.register(schemaRoutes)
  await app.register(authRoutes, routeOptions)
  await app.register(signedInRoutes, { ...routeOptions, prefix: '/api' })
  await app.register(whisperRoutes, {
    ...routeOptions,
    config,
    endpoint,
    upgrades: options.upgrades,
    hasMailbox: options.mailbox !== undefined,
  })
}

const signedInRoutes: FastifyPluginAsync<RouteOptions> = async (
  app,
  { prefix: _, ...options }: RouteOptions & { prefix?: string },
) => {
  requireSignIn(app, options.sessions, options.limits)
  documentSignIn(app)
  for (const routes of [accountRoutes, userRoutes, conversationRoutes, messageRoutes, sessionRoutes]) {
    await app.register(routes, options)
  }
}

/** Has the documentation say that the routes of `app` need an access token. */
function documentSignIn(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    route.schema = { ...route.schema, security: [{ accessToken: [] }] }
  })
}
