import type { FastifyInstance } from 'fastify'
import { buildServices } from './app/build-services.ts'
import {
  closeInfrastructure,
  type Infrastructure,
  type Overrides,
  openInfrastructure,
} from './app/infrastructure.ts'
import { retirePreviousLayout } from './app/previous-layout.ts'
import { createChannelServer, serveChannels } from './app/sockets.ts'
import { registerChannels } from './channels/index.ts'
import { TokenVerifier } from './channels/topics/token-verifier.ts'
import type { Config } from './config/config.ts'
import type { Database } from './db/database.ts'
import type { MailWorker } from './domain/mail/mail-worker.ts'
import { accessTokenSigner } from './http/access-token-signer.ts'
import { clientAddresses } from './http/client-address.ts'
import { registerRoutes } from './http/routes/index.ts'
import { createHttpServer } from './http/server.ts'
import { DevMailbox } from './infra/dev-mailbox.ts'
import { createRegistry, registerRealtimeMetrics } from './metrics.ts'
import { Nodes } from './realtime/cluster/nodes.ts'
import type { Endpoint } from './realtime/socket/endpoint.ts'
import type { Services } from './services.ts'
import { chooseDialect } from './views/dialect.ts'

/** A built server. */
export interface App {
  readonly http: FastifyInstance
  readonly services: Services
  readonly database: Database
  readonly endpoint: Endpoint
  readonly mailWorker: MailWorker
  /** Starts to listen. @returns the address. */
  listen(): Promise<string>
  /** Refuses new work, finishes what is under way, tells clients to reconnect elsewhere, and releases everything. */
  close(): Promise<void>
}

/**
 * Builds the server from its configuration.
 * @throws when the database or Redis cannot be reached, or a vault key cannot decrypt what is stored.
 */
export async function buildApp(config: Config, overrides: Overrides = {}): Promise<App> {
  const infrastructure = await openInfrastructure(config, overrides)
  try {
    return await assemble(config, infrastructure)
  } catch (error) {
    await closeInfrastructure(infrastructure)
    throw error
  }
}

async function assemble(config: Config, infrastructure: Infrastructure): Promise<App> {
  const { clock, logger, database, backplane, sharedCounter, mailer } = infrastructure
  const http = await createHttpServer(config, logger, clock)
  const signer = accessTokenSigner(http)
  const nodes = new Nodes(backplane, clock)
  const dialect = chooseDialect(config.contract)
  const built = await buildServices(config, infrastructure, { signer, nodes, dialect })
  const { services, mailWorker } = built

  const tokens = new TokenVerifier(services.sessions, clock)
  const channelServer = createChannelServer(config, infrastructure, { nodes, services, tokens })
  const { endpoint } = channelServer
  const channels = registerChannels(endpoint, { services, tokens, dialect })
  const registry = createRegistry()
  registerRealtimeMetrics(registry, endpoint, channels)

  let isReady = false
  await registerRoutes(http, {
    config,
    endpoint,
    addressOf: clientAddresses(config.trustProxy),
    upgrades: await serveChannels(http, channelServer),
    services,
    dialect,
    database,
    sharedCounter,
    readiness: { ready: () => isReady, reachesNodes: () => backplane.isConnected },
    registry,
    mailbox: mailer instanceof DevMailbox ? mailer : undefined,
  })
  await built.start()
  await channelServer.start()
  const stopRetiring = retirePreviousLayout(database, clock, http.log)

  return {
    http,
    services,
    database,
    endpoint,
    mailWorker,
    async listen() {
      const address = await http.listen({ port: config.port, host: config.host })
      isReady = true
      return address
    },
    async close() {
      isReady = false
      await channelServer.drain()
      await http.close()
      stopRetiring()
      channels.stop()
      channelServer.stop()
      await built.stop()
      await closeInfrastructure(infrastructure)
    },
  }
}
