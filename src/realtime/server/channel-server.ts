import { randomBytes } from 'node:crypto'
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Clock, systemClock } from '../../clock.ts'
import type { Backplane } from '../cluster/backplane.ts'
import { Nodes } from '../cluster/nodes.ts'
import { SingleNodeBackplane } from '../cluster/single-node-backplane.ts'
import { LongPollService } from '../longpoll/longpoll.ts'
import type { PresenceStatePayload } from '../pubsub/presence-state.ts'
import type { AnyChannelDefinition } from '../socket/channel-definition.ts'
import type { ConnectionLimits } from '../socket/connection-limits.ts'
import { Endpoint, type ErrorReply, type Logger } from '../socket/endpoint.ts'
import type { Authenticate, HandshakeOptions } from '../socket/handshake.ts'
import { IgnoredUpgrades, isWebSocketUpgrade } from '../socket/ignored-upgrades.ts'
import type { SessionExpiryLookup } from '../socket/session-expiry.ts'
import type { Telemetry } from '../socket/telemetry.ts'
import type { MessageLimits } from '../socket/user-limits.ts'
import { WebSocketService } from '../socket/websocket.ts'
import { NodeCommands, type SocketOwner, type UserInTopic } from './node-commands.ts'

/** Everything but `authenticate` is optional. */
export interface ChannelServerOptions {
  /** Returns the identity that a token proves; undefined refuses the connection. */
  authenticate: Authenticate
  /** Where the socket is: clients connect to `<path>/websocket` and `<path>/longpoll`. Default: `/socket`. */
  path?: string | undefined
  /** The origins of pages that may connect. Default: `*`. Name them if `authenticate` reads cookies. */
  allowedOrigins?: '*' | readonly string[] | undefined
  /** The client's network address, for the limit of connections; undefined for one that many clients may share. */
  addressOf?: ((request: IncomingMessage) => string | undefined) | undefined
  /** The secret that signs the tokens of long-polling sessions: the same on all nodes. Default: random, for a single node. */
  longPollKey?: string | Uint8Array | undefined
  /** Maximum size of a frame from a client, in bytes. Default: 256 KiB. */
  maxFrameBytes?: number | undefined
  /** Maximum number of topics joined on one socket. Default: 1000. */
  maxChannels?: number | undefined
  /** How much may be buffered for a slow consumer, in bytes. Default: 1 MiB. */
  maxBufferedBytes?: number | undefined
  /** Default: none. */
  connectionLimits?: Partial<ConnectionLimits> | null | undefined
  /** Rate limits per user; null for none. Default: 60 events a second in bursts of 300. */
  rateLimit?: Partial<MessageLimits> | null | undefined
  /** The connection to the other nodes. Default: a single node. */
  backplane?: Backplane | undefined
  /** Translates an expected error of a join or an event into a reply; undefined for a bug. `Refusal` needs no translation. */
  explain?: ((error: unknown) => ErrorReply | undefined) | undefined
  telemetry?: Telemetry | undefined
  /** Looks up sessions whose known expiry has passed. Default: their connections are closed. */
  sessionExpiries?: SessionExpiryLookup | undefined
  /** Default: the console. */
  logger?: Logger | undefined
  /** Replaced in tests. */
  clock?: Clock | undefined
  /** @internal The nodes, if they are created before the server. */
  nodes?: Nodes | undefined
}

const DEFAULT_PATH = '/socket'
const DEFAULT_MAX_FRAME_BYTES = 262_144
const DEFAULT_MAX_CHANNELS = 1_000
const DEFAULT_MAX_BUFFERED_BYTES = 1_048_576
const DEFAULT_EVENTS_PER_SECOND = 60
const DEFAULT_EVENT_BURST = 300
/** A client that reconnects joins all its topics in one burst, and retries some of the joins. */
const SPARE_JOINS = 100
const KEY_BYTES = 32

const consoleLogger: Logger = {
  error: (details, message) => console.error(message, details),
}

/** A channel server: sockets, topics and presence, over WebSockets and long polling. */
export class ChannelServer {
  /** @internal */
  readonly endpoint: Endpoint
  readonly #logger: Logger
  readonly #backplane: Backplane
  readonly #webSockets: WebSocketService
  readonly #longPoll: LongPollService
  readonly #commands: NodeCommands
  #started: Promise<void> | undefined

  constructor(options: ChannelServerOptions) {
    const { clock = systemClock, logger = consoleLogger, maxChannels = DEFAULT_MAX_CHANNELS } = options
    const nodes = options.nodes ?? new Nodes(options.backplane ?? new SingleNodeBackplane(), clock)
    this.#logger = logger
    this.#backplane = nodes.backplane
    this.endpoint = new Endpoint({
      clock,
      nodes,
      logger,
      maxChannels,
      maxBufferedBytes: options.maxBufferedBytes ?? DEFAULT_MAX_BUFFERED_BYTES,
      connectionLimits: options.connectionLimits ?? null,
      rateLimit: messageLimits(options.rateLimit, maxChannels),
      explain: options.explain ?? (() => undefined),
      telemetry: options.telemetry,
      sessionExpiries: options.sessionExpiries,
    })
    this.#commands = new NodeCommands(this.endpoint)
    const handshake: HandshakeOptions = {
      endpoint: this.endpoint,
      path: options.path ?? DEFAULT_PATH,
      maxFrameBytes: options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES,
      allowedOrigins: options.allowedOrigins ?? '*',
      authenticate: options.authenticate,
      addressOf: options.addressOf,
    }
    this.#webSockets = new WebSocketService(handshake)
    this.#longPoll = new LongPollService({ ...handshake, key: longPollKey(options, nodes) })
  }

  /** Registers channels. If several patterns match a topic, the first one is used. */
  use(...definitions: AnyChannelDefinition[]): this {
    this.endpoint.use(...definitions)
    return this
  }

  /**
   * Serves an HTTP server's requests to the path of the socket, and leaves all others to the listeners that it already has. Call
   * it after those were added.
   */
  attach(http: HttpServer): this {
    const others = http.listeners('request') as ((
      request: IncomingMessage,
      response: ServerResponse,
    ) => void)[]
    const ignoredUpgrades = new IgnoredUpgrades(http)
    http.removeAllListeners('request')
    http.on('request', (request: IncomingMessage, response: ServerResponse) => {
      ignoredUpgrades.track(request, response)
      if (this.handleRequest(request, response)) return
      for (const listener of others) listener.call(http, request, response)
      if (http.listenerCount('request') + others.length === 1) response.writeHead(404).end()
    })
    http.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
      if (this.handleUpgrade(request, stream, head) || http.listenerCount('upgrade') > 1) return
      if (!isWebSocketUpgrade(request)) return ignoredUpgrades.ignore(request, stream, head)
      stream.on('error', () => stream.destroy())
      stream.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
    })
    this.start().catch((error) => this.#logger.error({ err: error }, 'The other nodes could not be joined'))
    return this
  }

  /** Handles an upgrade request. @returns false, without touching it, for a request to another path, or for another protocol. */
  handleUpgrade(request: IncomingMessage, stream: Duplex, head: Buffer): boolean {
    return this.#webSockets.handleUpgrade(request, stream, head)
  }

  /** Handles an HTTP request. @returns false, without touching it, for a request to another path. */
  handleRequest(request: IncomingMessage, response: ServerResponse): boolean {
    return (
      this.#longPoll.handleRequest(request, response) || this.#webSockets.handleRequest(request, response)
    )
  }

  /** Sends an event to every subscriber of a topic on all nodes. */
  broadcast(topic: string, event: string, payload: unknown): void {
    this.endpoint.pubsub.broadcast(topic, event, payload)
  }

  /** Sends an event to one user's channels of a topic, on all nodes. */
  pushTo(to: UserInTopic, event: string, payload: unknown): void {
    this.#commands.pushTo(to, event, payload)
  }

  /** Ends one user's channels of a topic with `phx_close`, on all nodes. */
  closeChannels(of: UserInTopic): void {
    this.#commands.closeChannels(of)
  }

  /** Closes the sockets of a user or a session on all nodes (1001), after which clients reconnect if they still can. */
  disconnect(owner: SocketOwner): void {
    this.#commands.disconnect(owner)
  }

  /** Who is present in a topic, on all nodes. */
  presence(topic: string): PresenceStatePayload {
    return this.endpoint.presence.list(topic)
  }

  /** How many sockets and long-polling sessions this node has. */
  get connectionCount(): number {
    return this.endpoint.connectionCount
  }

  /** How many channels and other subscribers this node has in a topic. */
  subscriberCount(topic: string): number {
    return this.endpoint.pubsub.subscribers(topic).size
  }

  /** Joins the other nodes. `attach` calls it. Repeated calls return the same promise. */
  start(): Promise<void> {
    this.#started ??= this.endpoint.nodes.start()
    return this.#started
  }

  /** Accepts no more connections, and closes the existing ones (1012) once their requests are answered, within 10 s. */
  drain(): Promise<void> {
    return this.endpoint.drain()
  }

  /** Drains, leaves the other nodes and closes the backplane. The HTTP server is closed by its owner, afterwards. */
  async close(): Promise<void> {
    await this.drain()
    this.stop()
    await this.#backplane.close()
  }

  /** @internal Stops the timers and leaves the other nodes. Call it after `drain`. */
  stop(): void {
    this.#longPoll.stop()
    this.endpoint.stop()
    this.endpoint.nodes.stop()
  }
}

function messageLimits(
  limits: Partial<MessageLimits> | null | undefined,
  maxChannels: number,
): MessageLimits | null {
  if (limits === null) return null
  return {
    eventsPerSecond: limits?.eventsPerSecond ?? DEFAULT_EVENTS_PER_SECOND,
    eventBurst: limits?.eventBurst ?? DEFAULT_EVENT_BURST,
    joinBurst: limits?.joinBurst ?? maxChannels + SPARE_JOINS,
  }
}

/** @throws TypeError without a key on several nodes, where each node would reject the sessions of the others. */
function longPollKey({ longPollKey: key }: ChannelServerOptions, { backplane }: Nodes): Buffer {
  if (key !== undefined) return Buffer.from(key as string)
  if (!backplane.isSingleNode) throw new TypeError('longPollKey must be set, and be the same on all nodes')
  return randomBytes(KEY_BYTES)
}
