import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, createCluster, ErrorReply } from 'redis'
import type { RedisConfig } from '../config/config.ts'

type Listener = (message: Buffer, channel: Buffer) => void

/** The connection to one Redis server, or to a cluster. Commands fail immediately while it is not ready. */
export interface RedisLink {
  readonly isReady: boolean
  publish(channel: string, message: Buffer): Promise<unknown>
  subscribe(channel: string, listener: Listener): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  /** Runs a Lua script on one key. */
  eval(script: string, key: string, args: string[]): Promise<unknown>
  /** Connects, and retries until `close`. Resolves when connected. */
  connect(): Promise<unknown>
  /** Closes the connection after pending messages are sent. */
  close(): Promise<void>
}

export interface LinkEvents {
  onLost(error: unknown): void
  /** Called for every connection. The client restores its subscriptions. */
  onReady(): void
}

/** A connection without data for this long is considered lost. Pings are more frequent. */
const SOCKET_TIMEOUT_MS = 8_000
const PING_INTERVAL_MS = 2_500

const socket = {
  connectTimeout: 3_000,
  socketTimeout: SOCKET_TIMEOUT_MS,
  // With jitter, because all nodes lose Redis at the same time.
  reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, 1_000) + Math.random() * 200,
}
// A timer per command costs more than the command. The timeout of the connection suffices.
const commandOptions = { timeout: 0 }
const common = { disableOfflineQueue: true, pingInterval: PING_INTERVAL_MS, socket, commandOptions } as const

/** Creates a link without connecting it. */
export function redisLink(config: RedisConfig, events: LinkEvents): RedisLink {
  return config.cluster ? clusterLink(config.url, events) : serverLink(config.url, events)
}

function serverLink(url: string, { onLost, onReady }: LinkEvents): RedisLink {
  const commands = createClient({ url, ...common })
  const subscriptions = commands.duplicate()
  const isReady = () => commands.isReady && subscriptions.isReady
  for (const client of [commands, subscriptions]) {
    client.on('error', onLost)
    client.on('ready', () => isReady() && onReady())
  }
  return {
    get isReady() {
      return isReady()
    },
    publish: (channel, message) => commands.publish(channel, message),
    subscribe: (channel, listener) => subscriptions.subscribe(channel, listener, true),
    unsubscribe: (channel) => subscriptions.unsubscribe(channel),
    eval: (script, key, args) => commands.eval(script, { keys: [key], arguments: args }),
    connect: () => Promise.all([commands.connect(), subscriptions.connect()]),
    async close() {
      if (subscriptions.isOpen) subscriptions.destroy()
      await end(commands)
    },
  }
}

/** Uses sharded Pub/Sub, so that the load is spread over the nodes of the cluster. */
function clusterLink(url: string, { onLost, onReady }: LinkEvents): RedisLink {
  const { username, password, protocol } = new URL(url)
  const tls = protocol === 'rediss:' ? { tls: true as const } : {}
  const cluster = createCluster({
    rootNodes: [{ url }],
    commandOptions,
    defaults: {
      ...common,
      socket: { ...socket, ...tls },
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
    },
  })
  /** Whether each node of the cluster is reachable. */
  const reachable = new Map<string, boolean>()
  const isReady = () => cluster.isOpen && [...reachable.values()].every(Boolean)
  cluster.on('error', onLost)
  cluster.on('node-error', (error, { address }) => {
    // An error reply comes from a node that is reachable.
    if (error instanceof ErrorReply && reachable.get(address)) return
    reachable.set(address, false)
    onLost(error)
  })
  cluster.on('node-disconnect', ({ address }) => reachable.delete(address))
  cluster.on('node-ready', ({ address }) => {
    reachable.set(address, true)
    if (isReady()) onReady()
  })
  return {
    get isReady() {
      return isReady()
    },
    publish: (channel, message) => cluster.sPublish(channel, message),
    subscribe: (channel, listener) => cluster.sSubscribe(channel, listener, true),
    unsubscribe: (channel) => cluster.sUnsubscribe(channel),
    eval: (script, key, args) => cluster.eval(script, { keys: [key], arguments: args }),
    connect: () => cluster.connect(),
    close: () => end(cluster),
  }
}

/** How long sending the pending messages may take. */
const CLOSE_TIMEOUT_MS = 1_000

async function end(client: { isOpen: boolean; close(): unknown; destroy(): void }): Promise<void> {
  if (!client.isOpen) return
  const closing = Promise.resolve(client.close()).then(
    () => true,
    () => true,
  )
  const isClosed = await Promise.race([closing, sleep(CLOSE_TIMEOUT_MS, false, { ref: false })])
  if (!isClosed && client.isOpen) client.destroy()
}
