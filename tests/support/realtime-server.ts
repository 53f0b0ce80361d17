import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import { onTestFinished } from 'vitest'
import { LocalBackplane } from '../../src/infra/local-backplane.ts'
import type { AnyChannelDefinition } from '../../src/realtime/definition.ts'
import { Endpoint, type EndpointOptions } from '../../src/realtime/endpoint.ts'
import type { TransportOptions } from '../../src/realtime/handshake.ts'
import { longPollTransport } from '../../src/realtime/longpoll.ts'
import { Nodes } from '../../src/realtime/nodes.ts'
import { websocketTransport } from '../../src/realtime/websocket.ts'
import { ManualClock } from './clock.ts'
import { RawClient } from './raw-client.ts'

interface Overrides extends Partial<EndpointOptions> {
  maxFrameBytes?: number
  allowedOrigins?: '*' | string[]
}

/** The channel server by itself, without a chat: `?token=<user>` connects as that user, `bad` is refused. */
export async function startRealtime(
  definitions: AnyChannelDefinition[],
  change: Overrides | ((clock: ManualClock) => Overrides) = {},
) {
  const clock = new ManualClock()
  const overrides = typeof change === 'function' ? change(clock) : change
  const crashes: object[] = []
  const endpoint = new Endpoint({
    clock,
    nodes: new Nodes(LocalBackplane.alone(), clock),
    logger: { error: (details) => crashes.push(details) },
    maxChannels: 1000,
    maxBufferedBytes: 1_048_576,
    rateLimit: null,
    explain: () => undefined,
    ...overrides,
  })
  endpoint.use(...definitions)
  const app = Fastify()
  const transport: TransportOptions = {
    endpoint,
    path: '/socket',
    maxFrameBytes: overrides.maxFrameBytes ?? 262_144,
    allowedOrigins: overrides.allowedOrigins ?? '*',
    authenticate: (token) =>
      token && token !== 'bad' ? { userId: token, sessionId: `session-${token}` } : undefined,
  }
  await app.register(websocketTransport, {
    ...transport,
    passOn: (_request, stream) => stream.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n'),
  })
  await app.register(longPollTransport, { ...transport, key: Buffer.from('a key of tests') })
  await endpoint.nodes.start()
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/socket`
  const clients: RawClient[] = []
  onTestFinished(async () => {
    for (const client of clients) client.terminate()
    endpoint.stop()
    endpoint.nodes.stop()
    // A connection over which nothing was asked is waited for.
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
