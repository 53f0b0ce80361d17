import type { ClientMessage, Ref } from '../protocol/messages.ts'
import type { AnyChannelDefinition, EventHandler } from './definition.ts'
import type { OutgoingBroadcast, Subscriber } from './pubsub.ts'
import type { Socket } from './socket.ts'

/** One topic joined on one socket: its messages in order, its state, its end. */
export class Channel implements Subscriber {
  readonly socket: Socket
  readonly topic: string
  readonly joinRef: Ref
  readonly #definition: AnyChannelDefinition
  #state: unknown
  #phase: 'joining' | 'joined' | 'closing' | 'closed' = 'joining'
  /** An event that others wait for is running. */
  #busy = true
  /** Concurrent events that are running. */
  #running = 0
  #waiting: ClientMessage[] | undefined
  /** Broadcasts that came before the reply to the join. */
  #held: OutgoingBroadcast[] | undefined

  constructor(socket: Socket, definition: AnyChannelDefinition, topic: string, joinRef: Ref) {
    this.socket = socket
    this.#definition = definition
    this.topic = topic
    this.joinRef = joinRef
  }

  get userId(): string {
    return this.socket.identity.userId
  }

  /** Sends an event to this channel's client alone. */
  push(event: string, payload: unknown): void {
    if (this.#phase === 'joined') this.socket.push({ ...this.#address, ref: null, event, payload })
  }

  /** Sends an event to everyone in this channel's topic, on all nodes, its own client included. */
  broadcast(event: string, payload: unknown): void {
    this.socket.endpoint.pubsub.broadcast(this.topic, event, payload)
  }

  /** Ends the channel from this side with `phx_close`, after the reply to the event that is running. */
  close(): void {
    if (this.#phase === 'closed' || this.#phase === 'closing') return
    this.#unsubscribe()
    if (this.#phase === 'joined' && !this.#busy) return this.#finish('phx_close', {})
    this.#phase = 'closing'
  }

  /** Ends the channel without a word: its socket is gone, or the client joined the topic anew. */
  abandon(): void {
    this.#end()
  }

  deliver(broadcast: OutgoingBroadcast): void {
    if (this.#held) this.#held.push(broadcast)
    else this.socket.write(broadcast.frame(this.socket.serializer))
  }

  /** Runs the join; `subtopic` is what the pattern's `*` stands for. */
  async join(message: ClientMessage, subtopic: string): Promise<void> {
    // Subscribed before anything is read: what is broadcast in between is held back, not lost.
    this.#held = []
    const subscribed = this.socket.endpoint.pubsub.subscribe(this.topic, this)
    try {
      if (subscribed) await subscribed
      if (this.#isClosed) return
      const { state, reply = {} } = await this.#definition.join(this, subtopic, message.payload)
      if (this.#isClosed) return
      this.#state = state
      this.#reply(message, 'ok', reply)
      if (this.#phase === 'joining') this.#begin()
    } catch (error) {
      this.#refuse(message, error)
    } finally {
      this.#busy = false
      this.#continue()
    }
  }

  /** Takes a message of the client for this topic, in its turn. */
  receive(message: ClientMessage): void {
    if (this.#mustWait(message)) {
      this.#waiting ??= []
      this.#waiting.push(message)
    } else {
      this.#handle(message)
    }
  }

  /** Whether the join was answered, and the channel has not ended. */
  get isJoined(): boolean {
    return this.#phase === 'joined'
  }

  /** Whether nothing that the client asked for is still under way. */
  get isIdle(): boolean {
    return !this.#busy && this.#running === 0 && !this.#waiting
  }

  get #address() {
    return { joinRef: this.joinRef, topic: this.topic }
  }

  get #isClosed(): boolean {
    return this.#phase === 'closed'
  }

  #begin(): void {
    this.#phase = 'joined'
    this.#definition.joined(this, this.#state)
    const held = this.#held
    this.#held = undefined
    for (const broadcast of held ?? []) this.deliver(broadcast)
  }

  #refuse(message: ClientMessage, error: unknown): void {
    if (this.#isClosed) return
    const expected = this.socket.endpoint.explain(error)
    if (!expected) this.socket.endpoint.logCrash(error, this.topic, 'phx_join')
    this.#reply(message, 'error', expected ? expected.response : { reason: 'join crashed' })
    if (expected?.permanent) this.#finish('phx_close', {})
    else this.#end()
  }

  #mustWait({ event }: ClientMessage): boolean {
    if (this.#busy || this.#waiting?.length) return true
    return this.#running > 0 && !this.#definition.events.get(event)?.concurrent
  }

  /** Takes up what waited, as far as its turn has come. */
  #continue(): void {
    if (this.#phase === 'closing' && !this.#busy) this.#finish('phx_close', {})
    const waiting = this.#waiting
    if (!waiting) return
    this.#waiting = undefined
    // Whatever must still wait, or is for another channel by now, finds its place again in the same order.
    for (const message of waiting) this.socket.receive(message)
  }

  #handle(message: ClientMessage): void {
    if (message.event === 'phx_join') return void this.socket.rejoin(this, message)
    // A message for an earlier join of this topic crossed our answer on the way.
    if (message.joinRef !== null && message.joinRef !== this.joinRef) return
    if (message.event === 'phx_leave') return this.#leave(message)
    const handler = this.#definition.events.get(message.event)
    if (!handler) return this.#reply(message, 'error', { reason: 'unknown_event' })
    this.#run(message, handler)
  }

  #leave(message: ClientMessage): void {
    this.#reply(message, 'ok', {})
    this.#finish('phx_close', {})
  }

  #run(message: ClientMessage, handler: EventHandler<unknown>): void {
    if (handler.concurrent) this.#running += 1
    else this.#busy = true
    try {
      const result = handler.handle(this, this.#state, message.payload)
      if (result instanceof Promise) return void this.#await(message, handler, result)
      this.#reply(message, 'ok', result)
    } catch (error) {
      this.#fail(message, error)
    }
    this.#done(handler)
  }

  async #await(
    message: ClientMessage,
    handler: EventHandler<unknown>,
    result: Promise<unknown>,
  ): Promise<void> {
    try {
      const response = await result
      // What an event brings about comes before its reply.
      const settled = this.socket.endpoint.pubsub.settled(this.topic, this)
      if (settled) await settled
      this.#reply(message, 'ok', response)
    } catch (error) {
      this.#fail(message, error)
    }
    this.#done(handler)
  }

  #done(handler: EventHandler<unknown>): void {
    if (handler.concurrent) this.#running -= 1
    else this.#busy = false
    this.#continue()
  }

  #fail(message: ClientMessage, error: unknown): void {
    const expected = this.socket.endpoint.explain(error)
    if (expected) return this.#reply(message, 'error', expected.response)
    this.socket.endpoint.logCrash(error, this.topic, message.event)
    this.#finish('phx_error', { reason: 'channel_crash' })
  }

  #reply(message: ClientMessage, status: 'ok' | 'error', response: unknown): void {
    this.socket.reply({ ...this.#address, ref: message.ref, status, response })
  }

  /** The last frame of a channel carries its join's ref twice. */
  #finish(event: 'phx_close' | 'phx_error', payload: unknown): void {
    if (this.#isClosed) return
    this.#end()
    this.socket.push({ ...this.#address, ref: this.joinRef, event, payload })
  }

  #end(): void {
    if (this.#isClosed) return
    const wasJoined = this.#held === undefined
    this.#phase = 'closed'
    this.#unsubscribe()
    this.socket.forget(this)
    if (wasJoined) this.#definition.left(this, this.#state)
  }

  #unsubscribe(): void {
    this.socket.endpoint.pubsub.unsubscribe(this.topic, this)
  }
}
