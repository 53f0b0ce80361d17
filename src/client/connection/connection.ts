import { Emitter } from '../emitter.ts'
import { ConnectionError } from '../errors.ts'
import type { Session } from '../session/session.ts'
import { createSocket, longPoll, type PhoenixSocket, type Transport } from './phoenix.ts'
import { Topic, type TopicOptions, type TopicTypes } from './topic.ts'

/** Failures to open the first WebSocket after which long polling is tried. */
const MAX_FAILED_WEBSOCKETS = 2
/** A WebSocket that is not open after this time counts as failed: some networks neither let it through nor refuse it. */
const OPEN_TIMEOUT_MS = 10_000
/** A server that refuses a connection may mean the token: it is replaced at most this often for that reason. */
const MIN_REFRESH_INTERVAL_MS = 30_000
/** The close code when a session has ended, or sent nothing for long. */
const GOING_AWAY = 1001

/** Whether the connection is open. */
export type ConnectionState = 'connecting' | 'open' | 'closed'

/** The events of a connection. */
export interface ConnectionEvents {
  state: ConnectionState
}

/** What a topic of a connection consists of. */
export type TopicDefinition<T extends TopicTypes> = Pick<TopicOptions<T>, 'joined' | 'closed' | 'events'> & {
  /** The payload of a join besides the token. Called for every join. */
  payload?: () => object
}

/** The multiplexed socket of a session. It reconnects by itself, and joins its topics again in the order of their creation. */
export class Connection extends Emitter<ConnectionEvents> {
  readonly #session: Session
  readonly #socket: PhoenixSocket
  #isPolling: boolean
  #openTimer: ReturnType<typeof setTimeout> | undefined
  #state: ConnectionState = 'closed'
  #hasOpened = false
  #failures = 0
  #refreshedAt = Number.NEGATIVE_INFINITY

  constructor(session: Session, transport: Transport | undefined) {
    super()
    this.#session = session
    const first = transport ?? (globalThis as { WebSocket?: Transport }).WebSocket ?? longPoll
    this.#isPolling = first === longPoll
    const url = `${session.http.url.replace(/^http/, 'ws')}/socket`
    this.#socket = createSocket(url, { transport: first, token: () => session.token })
    this.#socket.onOpen(() => this.#opened())
    this.#socket.onClose((event) => this.#closed(event))
    this.#socket.onError(() => this.#failed())
    session.on('signedOut', () => this.close())
  }

  get state(): ConnectionState {
    return this.#state
  }

  open(): void {
    this.#setState('connecting')
    this.#limitOpening()
    this.#socket.connect()
  }

  close(): void {
    clearTimeout(this.#openTimer)
    this.#socket.disconnect()
    this.#setState('closed')
  }

  /** Creates a topic. It is joined when it is first needed. */
  topic<T extends TopicTypes>(
    name: string,
    { payload = () => ({}), ...definition }: TopicDefinition<T>,
  ): Topic<T> {
    const session = this.#session
    return new Topic<T>({
      ...definition,
      createChannel: () => this.#socket.channel(name, () => ({ token: session.token, ...payload() })),
      token: () => session.token,
      refresh: (token) => session.refresh(token),
      ended: session.ended,
    })
  }

  #opened(): void {
    this.#hasOpened = true
    clearTimeout(this.#openTimer)
    this.#failures = 0
    this.#setState('open')
  }

  #closed(event: unknown): void {
    if (this.#state === 'closed') return
    this.#setState('connecting')
    const { code } = (event ?? {}) as { code?: number }
    if (code === GOING_AWAY) this.#session.refresh(this.#session.token).catch(() => {})
  }

  /** Browsers do not tell why a connection was refused: it may be the token, or a network without WebSockets. */
  #failed(): void {
    if (this.#state === 'closed') return
    this.#failures++
    if (this.#failures === MAX_FAILED_WEBSOCKETS) void this.#poll()
    this.#session.freshToken().catch(() => {})
    const now = performance.now()
    if (this.#failures === 1 || now - this.#refreshedAt < MIN_REFRESH_INTERVAL_MS) return
    this.#refreshedAt = now
    this.#session.refresh(this.#session.token).catch((error) => {
      if (error instanceof ConnectionError) this.#refreshedAt = Number.NEGATIVE_INFINITY
    })
  }

  /** Polls instead, if the server can be reached without a WebSocket. */
  async #poll(): Promise<void> {
    if (this.#hasOpened || this.#isPolling) return
    const isReachable = await this.#session.http.respond('GET', '/livez').then(
      () => true,
      () => false,
    )
    if (!isReachable) this.#failures = 0
    if (this.#hasOpened || this.#isPolling || this.#state === 'closed') return
    if (!isReachable) return this.#limitOpening()
    this.#isPolling = true
    this.#socket.replaceTransport(longPoll)
    this.#socket.connect()
  }

  #limitOpening(): void {
    clearTimeout(this.#openTimer)
    this.#openTimer = setTimeout(() => void this.#poll(), OPEN_TIMEOUT_MS)
  }

  #setState(state: ConnectionState): void {
    if (state === this.#state) return
    this.#state = state
    this.emit('state', state)
  }
}
