import { ConnectionError, RejectedError } from '../errors.ts'
import { isTemporary, retryDelay, sleep } from '../timing.ts'
import type { PhoenixChannel, PhoenixPush } from './phoenix.ts'

const PUSH_TIMEOUT_MS = 15_000
/** Codes with which a token is rejected, in joins and pushes. */
const BAD_TOKEN = new Set(['invalid_token', 'unauthorized', 'Invalid Token'])

/** What a topic needs from its connection. */
export interface TopicOptions<T extends TopicTypes = TopicTypes> {
  /** Creates a channel, which is not yet joined. */
  createChannel: () => PhoenixChannel
  token: () => string
  /** Called when the server has rejected a token. */
  refresh: (token: string) => Promise<void>
  /** Aborted when nothing is sent or received any more. */
  ended: AbortSignal
  /** The events to receive, by name. */
  events: { [Event in keyof T['events']]?: (payload: T['events'][Event]) => void }
  /** Called with the reply to every join, before any later event. */
  joined?: (reply: T['joined']) => void
  /** Called when the server has closed the topic for good: the user may not join it, or was removed. */
  closed?: (error: RejectedError) => void
}

interface Waiter {
  resolve: () => void
  reject: (error: unknown) => void
}

/** The payloads of the pushes to a topic, of their replies, and of what the server sends, by event; and the reply to a join. */
export interface TopicTypes {
  pushes: object
  replies: object
  events: object
  joined: unknown
}

/** A topic that stays joined through reconnects. */
export class Topic<T extends TopicTypes = TopicTypes> {
  readonly #options: TopicOptions<T>
  #channel: PhoenixChannel | undefined
  #state: 'idle' | 'joining' | 'joined' | 'closed' = 'idle'
  #error: RejectedError | undefined
  #waiters: Waiter[] = []
  /** What to call when the connection is lost, and when each push is settled. */
  readonly #unanswered = new Map<(error: unknown) => void, Promise<void>>()

  constructor(options: TopicOptions<T>) {
    this.#options = options
    options.ended.addEventListener('abort', () => this.#end())
  }

  get isJoined(): boolean {
    return this.#state === 'joined'
  }

  /** Whether the server has closed it for good. */
  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** Resolves when the topic is joined. @throws RejectedError when it cannot be; the reason why the client has ended. */
  async join(): Promise<void> {
    this.#options.ended.throwIfAborted()
    if (this.#state === 'joined') return
    if (this.#state === 'closed') throw this.#error
    if (this.#state === 'idle') this.#open()
    return this.#whenJoined()
  }

  /** Joins again, for the current state. Resolves when the reply has come. */
  async rejoin(): Promise<void> {
    this.#options.ended.throwIfAborted()
    if (this.#state === 'closed') throw this.#error
    if (this.#state !== 'joining') void this.#reopen()
    return this.#whenJoined()
  }

  /**
   * Pushes an event until it is answered: only for events that may be repeated.
   * @returns the reply. @throws RejectedError; the reason why the client has ended.
   */
  async pushUntilAnswered<Event extends keyof T['pushes'] & keyof T['replies'] & string>(
    event: Event,
    payload: T['pushes'][Event] & object,
  ): Promise<T['replies'][Event]> {
    for (let failures = 0; ; failures++) {
      try {
        return await this.push(event, payload)
      } catch (error) {
        this.#options.ended.throwIfAborted()
        if (!isTemporary(error)) throw error
        await sleep(retryDelay(error, failures), this.#options.ended)
      }
    }
  }

  /** Lets a topic be joined that the server has closed. */
  reopen(): void {
    if (this.#state === 'closed') this.#state = 'idle'
    this.#error = undefined
  }

  /** Stops receiving events. */
  leave(): void {
    const channel = this.#channel
    this.#channel = undefined
    if (this.#state !== 'closed') this.#state = 'idle'
    channel?.leave()
    this.#disconnected()
  }

  /**
   * Pushes an event, once.
   * @returns the reply. @throws RejectedError; ConnectionError, after which it may have taken effect.
   */
  async push<Event extends keyof T['pushes'] & keyof T['replies'] & string>(
    event: Event,
    payload: T['pushes'][Event] & object,
  ): Promise<T['replies'][Event]> {
    await this.join()
    const token = this.#options.token()
    try {
      return await this.#push(event, { token, ...payload })
    } catch (error) {
      if (!(error instanceof RejectedError) || !BAD_TOKEN.has(error.code)) throw error
      await this.#options.refresh(token)
      return this.#push(event, { token: this.#options.token(), ...payload })
    }
  }

  async #push<Reply>(event: string, payload: object): Promise<Reply> {
    this.#options.ended.throwIfAborted()
    const channel = this.#channel
    if (this.#state !== 'joined' || !channel) throw new ConnectionError({ code: 'disconnected' })
    return new Promise<Reply>((resolve, reject) => {
      const settled = settle<Reply>(channel.push(event, payload, PUSH_TIMEOUT_MS)).then(resolve, reject)
      const forgotten = settled.finally(() => void this.#unanswered.delete(reject))
      this.#unanswered.set(reject, forgotten)
    })
  }

  /** Pushes that are not yet answered keep their channel until they are. */
  async #reopen(): Promise<void> {
    this.#state = 'joining'
    const channel = this.#channel
    await Promise.all([...this.#unanswered.values()])
    // It may have been interrupted, and joined again by itself.
    if (this.#channel === channel && this.#state === 'joining') this.#open()
  }

  #open(): void {
    const previous = this.#channel
    this.#channel = undefined
    previous?.leave()
    const channel = this.#options.createChannel()
    this.#channel = channel
    this.#state = 'joining'
    const isCurrent = () => this.#channel === channel
    // Each handler is declared with the payload of its event.
    const handlers = this.#options.events as Record<string, (payload: unknown) => void>
    for (const [event, handle] of Object.entries(handlers)) {
      channel.on(event, (payload) => isCurrent() && handle(payload))
    }
    channel.onError(() => isCurrent() && this.#interrupted())
    channel.onClose(() => isCurrent() && this.#close())
    channel
      .join()
      .receive('ok', (reply) => isCurrent() && this.#joined(reply))
      .receive('error', (response) => isCurrent() && this.#refused(rejectionOf(response)))
  }

  #joined(reply: unknown): void {
    this.#state = 'joined'
    this.#error = undefined
    // The reply is declared by whoever created the topic.
    this.#options.joined?.(reply as T['joined'])
    for (const { resolve } of this.#takeWaiters()) resolve()
  }

  /** The official client tries again by itself, unless the server also closes the topic. */
  #refused(error: RejectedError): void {
    this.#error = error
    if (BAD_TOKEN.has(error.code)) this.#options.refresh(this.#options.token()).catch(() => {})
  }

  #interrupted(): void {
    if (this.#state === 'joined') this.#state = 'joining'
    this.#disconnected()
  }

  #close(): void {
    this.#state = 'closed'
    this.#channel = undefined
    this.#error ??= new RejectedError({ code: 'removed' })
    this.#options.closed?.(this.#error)
    this.#disconnected()
    for (const { reject } of this.#takeWaiters()) reject(this.#error)
  }

  /** The connection does not come back. */
  #end(): void {
    const { reason } = this.#options.ended
    if (this.#state !== 'closed') this.#state = 'idle'
    this.#disconnected(reason)
    for (const { reject } of this.#takeWaiters()) reject(reason)
  }

  #disconnected(error: unknown = new ConnectionError({ code: 'disconnected' })): void {
    for (const lost of this.#unanswered.keys()) lost(error)
    this.#unanswered.clear()
  }

  #whenJoined(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  #takeWaiters(): Waiter[] {
    const waiters = this.#waiters
    this.#waiters = []
    return waiters
  }
}

function settle<T>(push: PhoenixPush): Promise<T> {
  return new Promise((resolve, reject) => {
    push
      // The reply is declared by whoever pushes.
      .receive('ok', (response) => resolve(response as T))
      .receive('error', (response) => reject(rejectionOf(response)))
      .receive('timeout', () => reject(new ConnectionError({ code: 'timeout' })))
  })
}

/** The error of a reply: a bare string, or an object with a reason. */
function rejectionOf(response: unknown): RejectedError {
  if (typeof response === 'string') return new RejectedError({ code: response })
  const { reason, errors, retry_after_ms } = (response ?? {}) as {
    reason?: string
    errors?: Record<string, string[]>
    retry_after_ms?: number
  }
  return new RejectedError({
    code: reason ?? 'error',
    ...(errors && { fields: errors }),
    ...(retry_after_ms !== undefined && { retryAfterMs: retry_after_ms }),
  })
}
