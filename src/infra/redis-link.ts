import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, createCluster, ErrorReply } from 'redis'
import type { RedisConfig } from '../config.ts'

type Listener = (message: Buffer, channel: Buffer) => void

/** What Parley asks of Redis, of one server or of a cluster. Commands fail at once while it cannot be reached. */
export interface RedisLink {
  readonly isReady: boolean
  publish(channel: string, message: Buffer): Promise<unknown>
  subscribe(channel: string, listener: Listener): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  /** Runs a Lua script on one key. */
  eval(script: string, key: string, args: string[]): Promise<unknown>
  /** Connects, and goes on trying until `close`. Resolves when it is connected. */
  connect(): Promise<unknown>
  /** Lets go, after what was published has left. */
  close(): Promise<void>
}

export interface LinkEvents {
  lost(error: unknown): void
  /** Connected, for the first time or again; what was subscribed still is. */
  ready(): void
}

/** A connection that says nothing for this long is taken for dead; it is asked for a word more often than that. */
const SILENCE_MS = 8_000
const PING_MS = 2_500

const socket = {
  connectTimeout: 3_000,
  socketTimeout: SILENCE_MS,
  // All nodes lose Redis at the same moment: they should not come back in step.
  reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, 1_000) + Math.random() * 200,
}
// A timer for each command would cost more than the command; that of the connection is enough.
const commandOptions = { timeout: 0 }
const common = { disableOfflineQueue: true, pingInterval: PING_MS, socket, commandOptions } as const

/** Prepares a link; nothing is connected yet. */
export function redisLink(config: RedisConfig, events: LinkEvents): RedisLink {
  return config.cluster ? clusterLink(config.url, events) : serverLink(config.url, events)
}

function serverLink(url: string, { lost, ready }: LinkEvents): RedisLink {
  const commands = createClient({ url, ...common })
  const subscriptions = commands.duplicate()
  const isReady = () => commands.isReady && subscriptions.isReady
  for (const client of [commands, subscriptions]) {
    client.on('error', lost)
    client.on('ready', () => isReady() && ready())
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

/** Channels are sharded: each lives on the node of its slot, so that more nodes carry more. */
function clusterLink(url: string, { lost, ready }: LinkEvents): RedisLink {
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
  /** Whether each node can be reached. */
  const reached = new Map<string, boolean>()
  const isReady = () => cluster.isOpen && [...reached.values()].every(Boolean)
  cluster.on('error', lost)
  cluster.on('node-error', (error, { address }) => {
    // A node that refuses a command is there.
    if (error instanceof ErrorReply && reached.get(address)) return
    reached.set(address, false)
    lost(error)
  })
  cluster.on('node-disconnect', ({ address }) => reached.delete(address))
  cluster.on('node-ready', ({ address }) => {
    reached.set(address, true)
    if (isReady()) ready()
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

/** How long a goodbye may take. */
const GOODBYE_MS = 1_000

async function end(client: { isOpen: boolean; close(): unknown; destroy(): void }): Promise<void> {
  if (!client.isOpen) return
  const closing = Promise.resolve(client.close()).then(
    () => true,
    () => true,
  )
  const hasLeft = await Promise.race([closing, sleep(GOODBYE_MS, false, { ref: false })])
  if (!hasLeft && client.isOpen) client.destroy()
}
