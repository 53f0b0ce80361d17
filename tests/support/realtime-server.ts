import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { ChannelServer, type ChannelServerOptions } from '../../src/realtime/server/channel-server.ts'
import type { AnyChannelDefinition } from '../../src/realtime/socket/channel-definition.ts'
import { ManualClock } from './clock.ts'
import { RawClient } from './raw-client.ts'

type Overrides = Partial<ChannelServerOptions>

/** Starts the channel server without the chat. `?token=<user>` connects as that user; `bad` is refused. */
export async function startRealtime(
  definitions: AnyChannelDefinition[],
  change: Overrides | ((clock: ManualClock) => Overrides) = {},
) {
  const clock = new ManualClock()
  const overrides = typeof change === 'function' ? change(clock) : change
  const crashes: object[] = []
  const server = new ChannelServer({
    clock,
    logger: { error: (details) => crashes.push(details) },
    rateLimit: null,
    longPollKey: 'a key of tests',
    authenticate: (token) =>
      token && token !== 'bad' ? { userId: token, sessionId: `session-${token}` } : undefined,
    ...overrides,
  })
  const { endpoint } = server
  const http = createServer()
  server.use(...definitions).attach(http)
  await server.start()
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/socket`
  const clients: RawClient[] = []
  onTestFinished(async () => {
    for (const client of clients) client.terminate()
    server.stop()
    // Closing the server waits for idle connections.
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  })

  async function connect(
    user = 'ann',
    { vsn = '2.0.0', ...options }: ConnectOptions = {},
  ): Promise<RawClient> {
    const client = await RawClient.connect(`${url}/websocket?token=${user}&vsn=${vsn}`, options)
    clients.push(client)
    return client
  }

  return { server, endpoint, clock, url, http, crashes, connect }
}

interface ConnectOptions {
  vsn?: string
  protocols?: string[]
  headers?: Record<string, string>
}
