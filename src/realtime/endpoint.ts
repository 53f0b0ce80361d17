import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { matchTopic } from '../protocol/topics.ts'
import { type AnyChannelDefinition, Refusal } from './definition.ts'
import type { Nodes } from './nodes.ts'
import { Presence } from './presence.ts'
import { PubSub, type Subscriber } from './pubsub.ts'
import { SlowReaders } from './slow-readers.ts'
import { CloseCode, type Identity } from './socket.ts'
import { TokenBuckets } from './token-buckets.ts'
import { Tracker } from './tracker.ts'
import { Writer } from './writer.ts'

/** How an expected failure is told to a client. */
export interface Explanation {
  response: unknown
  /** On a join: followed by `phx_close`, so that the client does not try again. */
  permanent?: boolean
}

/** Where crashes are told; a pino logger fits. */
export interface Logger {
  error(details: object, message: string): void
}

/** A connection of whatever protocol, as the endpoint watches over it. */
export interface Connection {
  readonly identity: Identity
  /** When the client was last heard, in milliseconds of the endpoint's clock. */
  readonly heardAt: number
  /** Whether everything the client asked for is answered. */
  readonly isIdle: boolean
  /** Takes no more frames, so that the connection comes to rest. */
  quiet(): void
  /** Says goodbye with a close code. */
  close(code: number, reason: string): void
}

export interface EndpointOptions {
  clock: Clock
  /** This node among the others. */
  nodes: Nodes
  logger: Logger
  /** Topics joined on one socket. */
  maxChannels: number
  /** Bytes that may wait for a slow reader. */
  maxBufferedBytes: number
  /** Limits messages per user; null: none. */
  rateLimit: { eventsPerSecond: number; eventBurst: number; joinBurst: number } | null
  /** Tells an expected failure from a bug (undefined). */
  explain(error: unknown): Explanation | undefined
}

/** Characters of a topic: nodes tell each other of each that is joined, and a binary frame holds no longer one. */
const LONGEST_TOPIC = 255
/** No frame for this long, and the client is taken for gone. */
const IDLE_MS = 75_000
const SWEEP_MS = 1_000
const DRAIN_BATCHES = 20
const DRAIN_PAUSE_MS = 50
const DRAIN_PATIENCE_MS = 10_000

/** All connections of this node, and what they share: channels, topics, presence, the writer. */
export class Endpoint {
  readonly clock: Clock
  readonly maxChannels: number
  readonly nodes: Nodes
  readonly pubsub: PubSub<Subscriber>
  readonly presence: Presence
  readonly writer: Writer
  readonly slowReaders: SlowReaders
  readonly #options: EndpointOptions
  readonly #definitions: AnyChannelDefinition[] = []
  readonly #sockets = new Set<Connection>()
  readonly #events: TokenBuckets | undefined
  readonly #joins: TokenBuckets | undefined
  readonly #stopSweeping: () => void
  #draining = false

  constructor(options: EndpointOptions) {
    const { clock, nodes, maxChannels, maxBufferedBytes, rateLimit } = options
    this.#options = options
    this.clock = clock
    this.maxChannels = maxChannels
    this.nodes = nodes
    this.pubsub = new PubSub(nodes.backplane)
    this.presence = new Presence(this.pubsub, new Tracker('presence', nodes, clock), clock)
    this.slowReaders = new SlowReaders(maxBufferedBytes, clock)
    this.writer = new Writer(this.slowReaders)
    if (rateLimit) {
      this.#events = new TokenBuckets(rateLimit.eventBurst, rateLimit.eventsPerSecond, clock)
      this.#joins = new TokenBuckets(rateLimit.joinBurst, rateLimit.eventsPerSecond, clock)
    }
    this.#stopSweeping = clock.every(SWEEP_MS, () => this.#sweep())
  }

  /** Adds families of channels. The first pattern that matches a topic has it. */
  use(...definitions: AnyChannelDefinition[]): void {
    this.#definitions.push(...definitions)
  }

  get isDraining(): boolean {
    return this.#draining
  }

  get socketCount(): number {
    return this.#sockets.size
  }

  findChannel(topic: string): { definition: AnyChannelDefinition; subtopic: string } | undefined {
    if (topic.length > LONGEST_TOPIC) return undefined
    for (const definition of this.#definitions) {
      const subtopic = matchTopic(definition.pattern, topic)
      if (subtopic !== undefined) return { definition, subtopic }
    }
    return undefined
  }

  /** The answer to a message that is one too many for its user, or undefined. Joins and leaves have a bucket of their own. */
  limit(userId: string, event: string): { reason: 'rate_limited'; retry_after_ms: number } | undefined {
    const buckets = event === 'phx_join' || event === 'phx_leave' ? this.#joins : this.#events
    const retryAfterMs = buckets?.take(userId)
    return retryAfterMs ? { reason: 'rate_limited', retry_after_ms: retryAfterMs } : undefined
  }

  explain(error: unknown): Explanation | undefined {
    return error instanceof Refusal ? error : this.#options.explain(error)
  }

  /** Logs a bug in a channel: one line, with what was asked and the cause. */
  logCrash(error: unknown, topic: string, event: string): void {
    this.#options.logger.error({ err: error, topic, event }, 'A channel crashed')
  }

  /** The same, for what fails without a client who could be told: only what is not expected is logged. */
  logUnexplained(error: unknown, topic: string, event: string): void {
    if (!this.explain(error)) this.logCrash(error, topic, event)
  }

  remember(socket: Connection): void {
    this.#sockets.add(socket)
  }

  forget(socket: Connection): void {
    this.#sockets.delete(socket)
  }

  /** Closes the sockets of this node that belong to someone, or some session (1001: come back if you may). */
  disconnect(belongs: (identity: Identity) => boolean): void {
    for (const socket of [...this.#sockets]) {
      if (belongs(socket.identity)) socket.close(CloseCode.goingAway, 'session ended')
    }
  }

  /** Puts a user out of a topic: `phx_close` on each of their sockets on this node that joined it. */
  closeChannels(topic: string, userId: string): void {
    for (const subscriber of [...this.pubsub.subscribers(topic)]) {
      if (subscriber.userId === userId) subscriber.close()
    }
  }

  /**
   * Takes no more sockets, lets those there are finish what they asked for, and sends them elsewhere (1012), in batches:
   * all at once would come back all at once.
   */
  async drain(): Promise<void> {
    this.#draining = true
    const sockets = [...this.#sockets]
    const size = Math.max(50, Math.ceil(sockets.length / DRAIN_BATCHES))
    const deadline = Date.now() + DRAIN_PATIENCE_MS
    for (let next = 0; next < sockets.length; next += size) {
      if (next > 0) await sleep(DRAIN_PAUSE_MS)
      const batch = sockets.slice(next, next + size)
      for (const socket of batch) socket.quiet()
      while (batch.some((socket) => !socket.isIdle) && Date.now() < deadline) await sleep(DRAIN_PAUSE_MS)
      for (const socket of batch) socket.close(CloseCode.serviceRestart, 'restarting')
    }
  }

  /** Stops the timers; to be called once, after `drain`. */
  stop(): void {
    this.#stopSweeping()
  }

  #sweep(): void {
    const idleSince = this.clock.now() - IDLE_MS
    for (const socket of [...this.#sockets]) {
      if (socket.heardAt <= idleSince) socket.close(CloseCode.goingAway, 'idle')
    }
    this.slowReaders.sweep()
    this.#events?.sweep()
    this.#joins?.sweep()
  }
}
