import type { Clock } from '../../clock.ts'
import type { ClientMessage, Reply } from '../../protocol/messages.ts'
import { matchTopic } from '../../protocol/topics.ts'
import type { Nodes } from '../cluster/nodes.ts'
import { Tracker } from '../cluster/tracker.ts'
import { CloseCode } from '../codes.ts'
import { Presence } from '../pubsub/presence.ts'
import { PubSub } from '../pubsub/pubsub.ts'
import type { AnyChannelDefinition } from './channel-definition.ts'
import type { Connection, ConnectionOwner, Identity } from './connection.ts'
import { ConnectionCounter, type ConnectionLimits, type ExceededLimit } from './connection-limits.ts'
import { drainConnections } from './draining.ts'
import { Refusal } from './refusal.ts'
import { SessionExpiryCheck, type SessionExpiryLookup } from './session-expiry.ts'
import { SlowConsumers } from './slow-consumers.ts'
import type { Telemetry } from './telemetry.ts'
import { TokenBuckets } from './token-buckets.ts'
import { type MessageLimits, UserLimits } from './user-limits.ts'
import { Writer } from './writer.ts'

/** The response to an expected failure. */
export interface ErrorReply {
  response: unknown
  /** Whether the reply to a join is followed by `phx_close`, so that the client does not retry. */
  permanent?: boolean
  /** The reason to report when the user lacked a permission; undefined otherwise. */
  denied?: string | undefined
}

/** Receives errors. A pino logger fits. */
export interface Logger {
  error(details: object, message: string): void
}

export interface EndpointOptions {
  clock: Clock
  nodes: Nodes
  logger: Logger
  /** Topics joined on one socket. */
  maxChannels: number
  /** Bytes buffered for a slow consumer. */
  maxBufferedBytes: number
  /** Null or absent for no limits. */
  connectionLimits?: Partial<ConnectionLimits> | null
  /** Null for no limits. */
  rateLimit: MessageLimits | null
  /** Returns the reply to an expected failure; undefined for a bug. */
  explain: (error: unknown) => ErrorReply | undefined
  telemetry?: Telemetry | undefined
  /** Absent: connections end when the expiry of their identity has passed. */
  sessionExpiries?: SessionExpiryLookup | undefined
}

/** Nodes exchange the topics that are joined, and a binary frame cannot hold a longer one. */
const MAX_TOPIC_LENGTH = 255
/** Pings and pongs of one connection. Libraries send one in 5 s at most. */
const CONTROL_FRAMES = { burst: 100, perSecond: 1 }
/** A connection without frames for this long is closed. */
const IDLE_TIMEOUT_MS = 75_000
const SWEEP_INTERVAL_MS = 1_000

/** All connections of this node, and what they share: channels, topics, presence, limits, the writer. */
export class Endpoint {
  readonly clock: Clock
  readonly maxChannels: number
  readonly nodes: Nodes
  readonly pubsub: PubSub
  readonly presence: Presence
  readonly writer: Writer
  readonly slowConsumers: SlowConsumers
  readonly limits: UserLimits
  /** Check that a hook is set before anything is computed for it, and call it by `report`. */
  readonly telemetry: Telemetry
  readonly #options: EndpointOptions
  readonly #definitions: AnyChannelDefinition[] = []
  readonly #connections = new Set<Connection>()
  readonly #counter: ConnectionCounter
  /** Per connection, because control frames may arrive in the middle of a message, where no other limit applies. */
  readonly #controlFrames: TokenBuckets<Connection>
  readonly #sessionExpiry: SessionExpiryCheck
  readonly #stopSweeping: () => void
  #isDraining = false

  constructor(options: EndpointOptions) {
    const { clock, nodes, maxChannels, maxBufferedBytes } = options
    this.#options = options
    this.#counter = new ConnectionCounter(options.connectionLimits ?? null)
    this.clock = clock
    this.maxChannels = maxChannels
    this.telemetry = options.telemetry ?? {}
    this.nodes = nodes
    this.pubsub = new PubSub(nodes.backplane)
    this.presence = new Presence(this.pubsub, new Tracker('presence', nodes, clock), clock)
    this.slowConsumers = new SlowConsumers(maxBufferedBytes, clock)
    this.writer = new Writer(this.slowConsumers)
    this.limits = new UserLimits(options.rateLimit, clock)
    this.#controlFrames = new TokenBuckets(CONTROL_FRAMES.burst, CONTROL_FRAMES.perSecond, clock)
    this.#sessionExpiry = new SessionExpiryCheck(options.sessionExpiries)
    this.#stopSweeping = clock.every(SWEEP_INTERVAL_MS, () => this.#sweep())
  }

  /** Registers channels. If several patterns match a topic, the first one is used. */
  use(...definitions: AnyChannelDefinition[]): void {
    this.#definitions.push(...definitions)
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  findChannel(topic: string): { definition: AnyChannelDefinition; subtopic: string } | undefined {
    if (topic.length > MAX_TOPIC_LENGTH) return undefined
    for (const definition of this.#definitions) {
      const subtopic = matchTopic(definition.pattern, topic)
      if (subtopic !== undefined) return { definition, subtopic }
    }
    return undefined
  }

  /** Counts a ping or pong. Closes a connection that sends too many (1008). */
  limitControlFrame(connection: Connection): void {
    if (this.#controlFrames.take(connection)) connection.close(CloseCode.policyViolation, 'too many pings')
  }

  /** The reply to a failed request; undefined for a bug. Reports a missing permission. */
  explain(identity: Identity, error: unknown): ErrorReply | undefined {
    const explanation = this.#explanationOf(error)
    if (explanation?.denied) this.reportDenial(identity, explanation.denied)
    return explanation
  }

  /** Reports that a user lacked a permission. */
  reportDenial(identity: Identity, reason: string): void {
    this.report('deny', { identity, reason })
  }

  /** Calls a hook, if it is set. */
  report<Hook extends keyof Telemetry>(
    hook: Hook,
    details: Parameters<NonNullable<Telemetry[Hook]>>[0],
  ): void {
    try {
      // The compiler does not connect the type of the details with the hook of the same name.
      this.telemetry[hook]?.(details as never)
    } catch (error) {
      this.logError(error, `The telemetry hook ${hook} failed`)
    }
  }

  /** Answers a message that no channel handles. */
  reject(
    socket: { readonly identity: Identity; reply(reply: Reply): void },
    { joinRef, ref, topic, event }: ClientMessage,
    response: unknown,
  ): void {
    socket.reply({ joinRef, ref, topic, status: 'error', response })
    if (this.telemetry.reject) this.report('reject', { identity: socket.identity, topic, event, response })
  }

  /** Logs a failure of the server itself. */
  logError(error: unknown, message: string): void {
    this.#options.logger.error({ err: error }, message)
  }

  /** Logs a bug in a channel. */
  logCrash(error: unknown, topic: string, event: string): void {
    this.#options.logger.error({ err: error, topic, event }, 'A channel crashed')
  }

  /** Logs a failure of background work, unless it is an expected one. */
  logUnlessExpected(error: unknown, topic: string, event: string): void {
    if (!this.#explanationOf(error)) this.logCrash(error, topic, event)
  }

  /** The limit that one more connection would exceed; undefined if it is allowed. */
  exceededLimit(owner: ConnectionOwner): ExceededLimit | undefined {
    return this.#counter.exceededLimit(owner)
  }

  addConnection(connection: Connection): void {
    this.#connections.add(connection)
    this.#counter.add(connection)
  }

  removeConnection(connection: Connection): void {
    if (this.#connections.delete(connection)) this.#counter.remove(connection)
  }

  /** Closes the matching connections of this node with 1001, after which clients reconnect if they still can. */
  disconnect(isMatch: (identity: Identity) => boolean): void {
    for (const connection of [...this.#connections]) {
      if (isMatch(connection.identity)) connection.close(CloseCode.goingAway, 'session ended')
    }
  }

  /** Does the same after `ms`, so that clients can close first. Until then their frames are ignored. */
  disconnectAfter(ms: number, isMatch: (identity: Identity) => boolean): void {
    for (const connection of [...this.#connections])
      if (isMatch(connection.identity)) connection.stopReading()
    this.clock.after(ms, () => this.disconnect(isMatch))
  }

  /** Removes a user from a topic on this node: each of their channels there ends with `phx_close`. */
  closeChannels(topic: string, userId: string): void {
    for (const subscriber of [...this.pubsub.subscribers(topic)]) {
      if (subscriber.userId === userId) subscriber.close()
    }
  }

  /** Accepts no more connections, and closes the existing ones (1012) once their requests are answered. */
  async drain(): Promise<void> {
    this.#isDraining = true
    await drainConnections([...this.#connections])
  }

  /** Stops the timers. Call it once, after `drain`. */
  stop(): void {
    this.#stopSweeping()
  }

  #explanationOf(error: unknown): ErrorReply | undefined {
    return error instanceof Refusal ? error : this.#options.explain(error)
  }

  #sweep(): void {
    const now = this.clock.now()
    const overdue: Connection[] = []
    for (const connection of [...this.#connections]) {
      if (connection.lastActiveAt <= now - IDLE_TIMEOUT_MS) connection.close(CloseCode.goingAway, 'idle')
      else if ((connection.identity.expiresAt ?? Number.POSITIVE_INFINITY) <= now) overdue.push(connection)
    }
    void this.#disconnectExpired(overdue)
    this.slowConsumers.sweep()
    this.#controlFrames.sweep()
    this.limits.sweep()
  }

  async #disconnectExpired(overdue: readonly Connection[]): Promise<void> {
    const ended = await this.#sessionExpiry.run(overdue)
    for (const connection of ended) connection.close(CloseCode.goingAway, 'session ended')
    const sessionIds = new Set(ended.flatMap(({ identity }) => identity.sessionId ?? []))
    if (sessionIds.size > 0) this.disconnect(({ sessionId }) => sessionIds.has(sessionId ?? ''))
  }
}
