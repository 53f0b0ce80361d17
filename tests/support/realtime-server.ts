import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { onTestFinished } from 'vitest'
import { SingleNodeBackplane } from '../../src/infra/single-node-backplane.ts'
import { Nodes } from '../../src/realtime/cluster/nodes.ts'
import { serveLongPoll } from '../../src/realtime/longpoll/longpoll.ts'
import type { AnyChannelDefinition } from '../../src/realtime/socket/channel-definition.ts'
import { Endpoint, type EndpointOptions } from '../../src/realtime/socket/endpoint.ts'
import type { HandshakeOptions } from '../../src/realtime/socket/handshake.ts'
import { serveWebSockets } from '../../src/realtime/socket/websocket.ts'
import { ManualClock } from './clock.ts'
import { RawClient } from './raw-client.ts'

interface Overrides extends Partial<EndpointOptions> {
  maxFrameBytes?: number
  allowedOrigins?: '*' | string[]
}

/** Starts the channel server without the chat. `?token=<user>` connects as that user; `bad` is refused. */
export async function startRealtime(
  definitions: AnyChannelDefinition[],
  change: Overrides | ((clock: ManualClock) => Overrides) = {},
) {
  const clock = new ManualClock()
  const overrides = typeof change === 'function' ? change(clock) : change
  const crashes: object[] = []
  const endpoint = new Endpoint({
    clock,
    nodes: new Nodes(new SingleNodeBackplane(), clock),
    logger: { error: (details) => crashes.push(details) },
    maxChannels: 1000,
    maxBufferedBytes: 1_048_576,
    rateLimit: null,
    explain: () => undefined,
    onDenied: () => {},
    sessionExpiries: async () => new Map(),
    ...overrides,
  })
  endpoint.use(...definitions)
  const app = Fastify()
  const transport: HandshakeOptions = {
    endpoint,
    path: '/socket',
    maxFrameBytes: overrides.maxFrameBytes ?? 262_144,
    allowedOrigins: overrides.allowedOrigins ?? '*',
    authenticate: (token) =>
      token && token !== 'bad'
        ? { userId: token, sessionId: `session-${token}`, expiresAt: Number.POSITIVE_INFINITY }
        : undefined,
  }
  await app.register(serveWebSockets, {
    ...transport,
    onOtherUpgrade: (_request, stream) => stream.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n'),
  })
  await app.register(serveLongPoll, { ...transport, key: Buffer.from('a key of tests') })
  await endpoint.nodes.start()
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/socket`
  const clients: RawClient[] = []
  onTestFinished(async () => {
    for (const client of clients) client.terminate()
    endpoint.stop()
    endpoint.nodes.stop()
    // Closing the server waits for idle connections.
    app.server.closeAllConnections()
    await app.close()
  })

  async function connect(
    user = 'ann',
    { vsn = '2.0.0', ...options }: ConnectOptions = {},
  ): Promise<RawClient> {
    const client = await RawClient.connect(`${url}/websocket?token=${user}&vsn=${vsn}`, options)
    clients.push(client)
    return client
  }

  return { endpoint, clock, url, http: app.server, crashes, connect }
}

interface ConnectOptions {
  vsn?: string
  protocols?: string[]
  headers?: Record<string, string>
}
