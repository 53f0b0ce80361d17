import { Server } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { explain } from '../channels/index.ts'
import type { TokenVerifier } from '../channels/topics/token-verifier.ts'
import type { Config } from '../config/config.ts'
import { clientAddresses, remoteAddresses } from '../http/client-address.ts'
import { deriveKey } from '../keys.ts'
import type { Nodes } from '../realtime/cluster/nodes.ts'
import { PollStatus } from '../realtime/codes.ts'
import { ChannelServer } from '../realtime/server/channel-server.ts'
import { IgnoredUpgrades, isWebSocketUpgrade } from '../realtime/socket/ignored-upgrades.ts'
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
  const ignoredUpgrades = new IgnoredUpgrades(http.server)
  http.server.on('request', (request, response) => ignoredUpgrades.track(request, response))
  http.server.on('upgrade', (request, stream, head) => {
    if (server.handleUpgrade(request, stream, head)) return
    if (isWebSocketUpgrade(request)) otherUpgrades.emit('upgrade', request, stream, head)
    else ignoredUpgrades.ignore(request, stream, head)
  })
  await http.register(async (app) => {
    app.setErrorHandler(answerError)
    for (const path of ['websocket', 'longpoll', 'longpoll/*']) {
      // In a hook, before Fastify judges the content type: the channel server reads the body.
      app.all(`${SOCKET_PATH}/${path}`, { schema: { hide: true }, onRequest: handOver }, () => {})
    }
  })
  return otherUpgrades

  /** Never continues with the handler. */
  function handOver({ raw }: FastifyRequest, reply: FastifyReply, _continue: () => void): void {
    reply.hijack()
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined) reply.raw.setHeader(name, value)
    }
    server.handleRequest(raw, reply.raw)
  }
}

/** Answers an error of the HTTP server, such as that it is closing, so that polling clients connect again. */
function answerError(
  error: { status?: number; statusCode?: number },
  _request: unknown,
  reply: FastifyReply,
) {
  return reply.code(error.status ?? error.statusCode ?? 500).send({ status: PollStatus.unavailable })
}
