import { Server } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { explain } from '../channels/index.ts'
import type { TokenVerifier } from '../channels/topics/token-verifier.ts'
import type { Config } from '../config/config.ts'
import { clientAddresses, remoteAddresses } from '../http/client-address.ts'
import { deriveKey } from '../keys.ts'
import type { Nodes } from '../realtime/cluster/nodes.ts'
import { ChannelServer } from '../realtime/server/channel-server.ts'
import type { Services } from '../services.ts'
import type { Infrastructure } from './infrastructure.ts'

const SOCKET_PATH = '/socket'

/** Creates the channel server, which holds all sockets of this node. */
export function createChannelServer(
  config: Config,
  { clock, logger }: Infrastructure,
  { nodes, services, tokens }: { nodes: Nodes; services: Services; tokens: TokenVerifier },
): ChannelServer {
  const { limits, rateLimits, allowedOrigins, trustProxy, secretKeyBase } = config
  const { sessions, securityLog } = services
  const remoteAddressOf = remoteAddresses(trustProxy)
  return new ChannelServer({
    clock,
    nodes,
    logger,
    path: SOCKET_PATH,
    allowedOrigins,
    ...limits,
    connectionLimits: rateLimits ? limits : null,
    rateLimit: rateLimits ? {} : null,
    longPollKey: deriveKey(secretKeyBase, 'long polling'),
    authenticate: (token) => tokens.authenticate(token),
    addressOf: clientAddresses(trustProxy),
    explain,
    telemetry: {
      deny: ({ identity: { userId, sessionId }, reason }) =>
        securityLog.record('permission_refused', { userId, sessionId, reason }),
      refuse: ({ reason, identity, request }) => {
        if (reason === 'draining') return
        const { userId, sessionId } = identity ?? {}
        securityLog.record('socket_refused', { userId, sessionId, ip: remoteAddressOf(request), reason })
      },
    },
    sessionExpiries: (sessionIds) => sessions.expiriesOf(sessionIds),
  })
}

/**
 * Serves the channels at `/socket`, over WebSockets and long polling. WebSockets skip Fastify's hooks, which cost more than the
 * rest of connecting.
 * @returns a server that does not listen and emits `upgrade` for all other paths.
 */
export async function serveChannels(http: FastifyInstance, server: ChannelServer): Promise<Server> {
  const otherUpgrades = new Server()
  http.server.on('upgrade', (...upgrade) => {
    if (!server.handleUpgrade(...upgrade)) otherUpgrades.emit('upgrade', ...upgrade)
  })
  await http.register(async (app) => {
    // The channel server reads the bodies.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, _body, done) => done(null))
    const route = { schema: { hide: true }, exposeHeadRoute: false, handler: handOver }
    app.route({ ...route, method: 'GET', url: `${SOCKET_PATH}/websocket` })
    app.route({ ...route, method: ['GET', 'POST', 'OPTIONS'], url: `${SOCKET_PATH}/longpoll` })
  })
  return otherUpgrades

  function handOver({ raw }: FastifyRequest, reply: FastifyReply): void {
    reply.hijack()
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value)
    }
    server.handleRequest(raw, reply.raw)
  }
}
