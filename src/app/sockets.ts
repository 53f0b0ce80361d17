import { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { type ChatChannels, explain } from '../channels/index.ts'
import type { Config } from '../config/config.ts'
import { clientAddresses, remoteAddresses } from '../http/client-address.ts'
import { deriveKey } from '../keys.ts'
import type { Nodes } from '../realtime/cluster/nodes.ts'
import { serveLongPoll } from '../realtime/longpoll/longpoll.ts'
import { Endpoint } from '../realtime/socket/endpoint.ts'
import type { HandshakeOptions } from '../realtime/socket/handshake.ts'
import { serveWebSockets, type UpgradeListener } from '../realtime/socket/websocket.ts'
import type { Services } from '../services.ts'
import type { Infrastructure } from './infrastructure.ts'

const EVENTS_PER_SECOND = 60
const EVENT_BURST = 300
/** A client that reconnects joins all its topics in one burst, and retries some of the joins. */
const SPARE_JOINS = 100

/** Creates the endpoint, which holds all sockets of this node. */
export function createEndpoint(
  config: Config,
  { clock, logger }: Infrastructure,
  { nodes, services }: { nodes: Nodes; services: Services },
): Endpoint {
  const { limits, rateLimits } = config
  const { sessions, securityLog } = services
  const joinBurst = limits.maxChannels + SPARE_JOINS
  return new Endpoint({
    clock,
    nodes,
    logger,
    explain,
    onDenied: ({ userId, sessionId }, reason) =>
      securityLog.record('permission_refused', { userId, sessionId, reason }),
    sessionExpiries: (sessionIds) => sessions.expiriesOf(sessionIds),
    ...limits,
    connectionLimits: rateLimits ? limits : null,
    rateLimit: rateLimits ? { eventsPerSecond: EVENTS_PER_SECOND, eventBurst: EVENT_BURST, joinBurst } : null,
  })
}

/**
 * Serves the endpoint at `/socket`, over WebSockets and long polling.
 * @returns a server that does not listen and emits `upgrade` for all other paths.
 */
export async function serveEndpoint(
  http: FastifyInstance,
  config: Config,
  { endpoint, channels, services }: { endpoint: Endpoint; channels: ChatChannels; services: Services },
): Promise<Server> {
  const remoteAddressOf = remoteAddresses(config.trustProxy)
  const options: HandshakeOptions = {
    endpoint,
    path: '/socket',
    maxFrameBytes: config.limits.maxFrameBytes,
    allowedOrigins: config.allowedOrigins,
    authenticate: (token) => channels.authenticate(token),
    addressOf: clientAddresses(config.trustProxy),
    onRefused: ({ reason, identity }, request) => {
      if (reason === 'draining') return
      const { userId, sessionId } = identity ?? {}
      const details = { userId, sessionId, ip: remoteAddressOf(request), reason }
      services.securityLog.record('socket_refused', details)
    },
  }
  const otherUpgrades = new Server()
  const onOtherUpgrade: UpgradeListener = (...upgrade) => otherUpgrades.emit('upgrade', ...upgrade)
  await http.register(serveWebSockets, { ...options, onOtherUpgrade })
  await http.register(serveLongPoll, { ...options, key: deriveKey(config.secretKeyBase, 'long polling') })
  return otherUpgrades
}
