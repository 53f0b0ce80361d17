import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { namedSchemas } from '../../schemas/components.ts'
import type { HttpOptions, RouteOptions } from '../options.ts'
import { requireAccessToken } from '../plugins/authenticate.ts'
import { decorateCaller } from '../plugins/caller.ts'
import { DeviceCookie } from '../plugins/device-cookie.ts'
import { documentRoutes, packageInfo } from '../plugins/docs.ts'
import { recordForbidden } from '../plugins/forbidden.ts'
import { measureRequests } from '../plugins/metrics.ts'
import { createRateLimits } from '../rate-limits/rate-limits.ts'
import { accountRoutes } from './account.ts'
import { accountDataRoutes } from './account-data.ts'
import { accountKeyRoutes } from './account-keys.ts'
import { attachmentRoutes } from './attachments.ts'
import { authRoutes } from './auth.ts'
import { conversationRoutes } from './conversations.ts'
import { devMailboxRoutes } from './dev-mailbox.ts'
import { eventDocRoutes } from './event-docs.ts'
import { healthRoutes } from './health.ts'
import { messageRoutes } from './messages.ts'
import { schemaRoutes } from './schema.ts'
import { sessionRoutes } from './sessions.ts'
import { userRoutes } from './users.ts'
import { whisperRoutes } from './whisper/index.ts'

/** Adds every HTTP route to a server created by `createHttpServer`. */
export async function registerRoutes(app: FastifyInstance, options: HttpOptions): Promise<void> {
  const { config, endpoint, services, dialect, sharedCounter } = options
  const { clock, accounts } = services
  measureRequests(app, options.registry)
  decorateCaller(app)
  recordForbidden(app, services.securityLog)
  if (config.docs) await documentRoutes(app, config.publicUrl)
  for (const schema of namedSchemas(config.contract)) app.addSchema(schema)
  const deviceCookie = new DeviceCookie(services.knownDevices, config.publicUrl)
  const limits = createRateLimits({
    enabled: config.rateLimits,
    clock,
    accounts,
    passwordless: services.passwordless,
    securityLog: services.securityLog,
    sharedCounter,
    deviceCookie,
  })
  const routeOptions: RouteOptions = {
    ...services,
    dialect,
    limits,
    deviceCookie,
  }

  await app.register(healthRoutes, { ...options, metrics: config.metrics, clock })
  await app.register(devMailboxRoutes, { mailbox: options.mailbox })
  if (config.docs) {
    await app.register(schemaRoutes)
    await app.register(eventDocRoutes, { ...packageInfo, ...config, dialect })
  }
  await app.register(authRoutes, routeOptions)
  await app.register(signedInRoutes, { ...routeOptions, prefix: '/api' })
  await app.register(whisperRoutes, {
    ...routeOptions,
    config,
    endpoint,
    addressOf: options.addressOf,
    upgrades: options.upgrades,
    hasMailbox: options.mailbox !== undefined,
  })
}

const signedInRoutes: FastifyPluginAsync<RouteOptions> = async (
  app,
  { prefix: _, ...options }: RouteOptions & { prefix?: string },
) => {
  requireAccessToken(app, options)
  documentSignIn(app)
  const all = [
    ...[accountRoutes, accountKeyRoutes, accountDataRoutes],
    ...[userRoutes, conversationRoutes, attachmentRoutes, messageRoutes, sessionRoutes],
  ]
  for (const routes of all) await app.register(routes, options)
}

/** Documents that the routes of `app` require an access token. */
function documentSignIn(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    route.schema = { ...route.schema, security: [{ accessToken: [] }] }
  })
}
