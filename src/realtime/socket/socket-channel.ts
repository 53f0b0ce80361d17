import type { ClientMessage, Push, Ref, Reply } from '../../protocol/messages.ts'
import { ErrorReason } from '../codes.ts'
import type { BroadcastEncoder, OutgoingBroadcast } from '../outgoing-broadcast.ts'
import type { Subscriber } from '../pubsub/pubsub.ts'
import { type Channel, NO_REPLY } from './channel.ts'
import type { AnyChannelDefinition, EventHandler } from './channel-definition.ts'
import type { Identity } from './connection.ts'
import type { Endpoint } from './endpoint.ts'
import { parsePayload } from './payload.ts'
import { PushReply } from './push-reply.ts'
import type { Outcome } from './telemetry.ts'

/** The socket of a channel, as the channel uses it. */
export interface ParentSocket {
  readonly endpoint: Endpoint
  readonly identity: Identity
  readonly serializer: BroadcastEncoder
  /** Dispatches a message again that had to wait: another channel may have the topic by now. */
  receive(message: ClientMessage): void
  /** Replaces a channel by a new one for the same topic. */
  rejoin(old: SocketChannel, message: ClientMessage): Promise<void>
  reply(reply: Reply): void
  push(push: Push): void
  write(frame: Buffer): void
  /** Removes a channel that has ended. */
  forget(channel: SocketChannel): void
}

/** Runs one channel: handles its messages in order, keeps its state, and ends it. */
export class SocketChannel implements Channel, Subscriber {
  readonly topic: string
  readonly joinRef: Ref
  readonly #socket: ParentSocket
  readonly #definition: AnyChannelDefinition
  state: unknown
  #phase: 'joining' | 'joined' | 'closing' | 'closed' = 'joining'
  /** Whether the join, or an event that is not concurrent, is running. */
  #isBusy = true
  /** How many concurrent events are running. */
  #concurrentCount = 0
  #queue: ClientMessage[] | undefined
  /** Broadcasts that arrived before the reply to the join; undefined after it. */
  #heldBroadcasts: OutgoingBroadcast[] | undefined

  constructor(socket: ParentSocket, definition: AnyChannelDefinition, topic: string, joinRef: Ref) {
    this.#socket = socket
    this.#definition = definition
    this.topic = topic
    this.joinRef = joinRef
  }

  get identity(): Identity {
    return this.#socket.identity
  }

  get userId(): string {
    return this.identity.userId
  }

  get isJoined(): boolean {
    return this.#phase === 'joined'
  }

  get isClosed(): boolean {
    return this.#phase === 'closed'
  }

  get subscriberCount(): number {
    return this.#endpoint.pubsub.subscribers(this.topic).size
  }

  charge(recipients: number): void {
    this.#endpoint.limits.charge(this.userId, recipients)
  }

  push(event: string, payload: unknown): void {
    if (this.#phase === 'joined') this.#socket.push({ ...this.#address, ref: null, event, payload })
  }

  broadcast(event: string, payload: unknown): void {
    this.#endpoint.pubsub.broadcast(this.topic, event, payload)
  }

  broadcastFrom(event: string, payload: unknown): void {
    this.#endpoint.pubsub.broadcast(this.topic, event, payload, this)
  }

  track(key: string, meta: Record<string, unknown> = {}): void {
    if (this.#phase === 'joined') this.#endpoint.presence.track(this, key, meta)
  }

  updatePresence(meta: Record<string, unknown>): void {
    this.#endpoint.presence.update(this, meta)
  }

  untrack(): void {
    this.#endpoint.presence.untrack(this)
  }

  pushPresence(): void {
    this.#endpoint.presence.pushState(this)
  }

  close(): void {
    if (this.#phase === 'closed' || this.#phase === 'closing') return
    this.#unsubscribe()
    if (this.#phase === 'joined' && !this.#isBusy) return this.#finish('phx_close', {})
    this.#phase = 'closing'
  }

  /** Ends the channel without informing the client: its socket is gone, or it has joined the topic again. */
  abandon(): void {
    this.#end()
  }

  deliver(broadcast: OutgoingBroadcast): void {
    if (this.#heldBroadcasts) this.#heldBroadcasts.push(broadcast)
    else this.#socket.write(broadcast.frame(this.#socket.serializer))
  }

  /** Runs the join. @param subtopic the part of the topic that the pattern's `*` stands for. */
  async join(message: ClientMessage, subtopic: string): Promise<void> {
    // It subscribes before the definition reads anything, and holds back broadcasts, so that none in between is lost.
    this.#heldBroadcasts = []
    const startedAt = this.#endpoint.telemetry.join && performance.now()
    const subscribed = this.#endpoint.pubsub.subscribe(this.topic, this)
    try {
      if (subscribed) await subscribed
      if (this.isClosed) return
      const reply = await this.#authorize(subtopic, message.payload)
      if (this.isClosed) return
      this.reply(message.ref, 'ok', reply)
      this.#report('join', message, 'ok', startedAt)
      if (this.#phase === 'joining') this.#begin()
    } catch (error) {
      if (this.isClosed) return
      this.#report('join', message, this.#refuse(message, error), startedAt)
    } finally {
      this.#isBusy = false
      this.#continue()
    }
  }

  /** Handles a message of the client, or queues it behind those that are running. */
  receive(message: ClientMessage): void {
    if (this.#mustWait(message)) {
      this.#queue ??= []
      this.#queue.push(message)
    } else {
      this.#handle(message)
    }
  }

  /** Replies to a message of the client. */
  reply(ref: Ref, status: 'ok' | 'error', response: unknown = {}): void {
    this.#socket.reply({ ...this.#address, ref, status, response })
  }

  /** Whether the last message that waits is a leave. */
  get isLeaving(): boolean {
    return this.#queue?.at(-1)?.event === 'phx_leave'
  }

  /** Whether every message of the client is handled. */
  get isIdle(): boolean {
    return !this.#isBusy && this.#concurrentCount === 0 && !this.#queue
  }

  get #endpoint(): Endpoint {
    return this.#socket.endpoint
  }

  get #address() {
    return { joinRef: this.joinRef, topic: this.topic }
  }

  /** Runs the definition's join. @returns the response. */
  async #authorize(subtopic: string, payload: unknown): Promise<unknown> {
    const { join, payload: schema } = this.#definition
    const joined = await join(this, subtopic, schema ? await parsePayload(schema, payload) : payload)
    this.state = joined?.state
    return joined?.reply
  }

  #begin(): void {
    this.#phase = 'joined'
    const broadcasts = this.#heldBroadcasts ?? []
    try {
      this.#definition.joined(this)
    } catch (error) {
      this.#heldBroadcasts = undefined
      return this.#crash(error, 'phx_join')
    }
    this.#heldBroadcasts = undefined
    for (const broadcast of broadcasts) this.deliver(broadcast)
  }

  #refuse(message: ClientMessage, error: unknown): Outcome {
    const expected = this.#endpoint.explain(this.identity, error)
    if (!expected) this.#endpoint.logCrash(error, this.topic, 'phx_join')
    this.reply(message.ref, 'error', expected ? expected.response : { reason: ErrorReason.joinCrashed })
    if (expected?.permanent) this.#finish('phx_close', {})
    else this.#end()
    return expected ? 'error' : 'crash'
  }

  #mustWait({ event }: ClientMessage): boolean {
    if (this.#isBusy || this.#queue?.length) return true
    return this.#concurrentCount > 0 && !this.#definition.events.get(event)?.concurrent
  }

  /** Handles queued messages, as far as they no longer have to wait. */
  #continue(): void {
    if (this.#phase === 'closing' && !this.#isBusy) this.#finish('phx_close', {})
    const messages = this.#queue
    if (!messages) return
    this.#queue = undefined
    // Messages that still have to wait are queued again, in the same order.
    for (const message of messages) this.#socket.receive(message)
  }

  #handle(message: ClientMessage): void {
    if (message.event === 'phx_join') return void this.#socket.rejoin(this, message)
    // The client sent it before it received the reply to a later join of the same topic.
    if (message.joinRef !== null && message.joinRef !== this.joinRef) return
    if (message.event === 'phx_leave') return this.#leave(message)
    const handler = this.#definition.events.get(message.event)
    if (!handler) return this.#rejectUnknown(message)
    this.#run(message, handler)
  }

  #rejectUnknown(message: ClientMessage): void {
    const { joinRef } = this
    this.#endpoint.reject(this.#socket, { ...message, joinRef }, { reason: ErrorReason.unknownEvent })
  }

  #leave(message: ClientMessage): void {
    this.reply(message.ref, 'ok', {})
    this.#finish('phx_close', {})
  }

  #run(message: ClientMessage, handler: EventHandler): void {
    if (handler.concurrent) this.#concurrentCount += 1
    else this.#isBusy = true
    const startedAt = this.#endpoint.telemetry.event && performance.now()
    const reply = new PushReply(this, message.ref)
    try {
      this.charge(this.#definition.audience(this))
      const result = handler.handle(this, message.payload, reply)
      if (result instanceof Promise) return void this.#await({ message, handler, reply, startedAt }, result)
      this.#report('event', message, this.#answer(reply, result), startedAt)
    } catch (error) {
      this.#report('event', message, this.#fail(message, reply, error), startedAt)
    }
    this.#done(handler)
  }

  async #await(event: RunningEvent, result: Promise<unknown>): Promise<void> {
    const { message, handler, reply, startedAt } = event
    try {
      const response = await result
      // The client receives what an event broadcasts before the reply to it.
      const settled = this.#endpoint.pubsub.settled(this.topic, this)
      if (settled) await settled
      this.#report('event', message, this.#answer(reply, response), startedAt)
    } catch (error) {
      this.#report('event', message, this.#fail(message, reply, error), startedAt)
    }
    this.#done(handler)
  }

  #answer(reply: PushReply, response: unknown): Outcome {
    if (response !== NO_REPLY) reply.ok(response)
    return reply.status
  }

  #done(handler: EventHandler): void {
    if (handler.concurrent) this.#concurrentCount -= 1
    else this.#isBusy = false
    this.#continue()
  }

  #fail(message: ClientMessage, reply: PushReply, error: unknown): Outcome {
    const expected = this.#endpoint.explain(this.identity, error)
    if (expected) reply.error(expected.response)
    else this.#crash(error, message.event)
    return expected ? 'error' : 'crash'
  }

  #crash(error: unknown, event: string): void {
    this.#endpoint.logCrash(error, this.topic, event)
    this.#finish('phx_error', { reason: ErrorReason.channelCrash })
  }

  #report(
    hook: 'join' | 'event',
    { event }: ClientMessage,
    outcome: Outcome,
    startedAt: number | undefined,
  ): void {
    if (startedAt === undefined) return
    const durationMs = performance.now() - startedAt
    this.#endpoint.report(hook, { identity: this.identity, topic: this.topic, event, outcome, durationMs })
  }

  /** The last frame of a channel carries its join ref as both refs. */
  #finish(event: 'phx_close' | 'phx_error', payload: unknown): void {
    if (this.isClosed) return
    this.#end()
    this.#socket.push({ ...this.#address, ref: this.joinRef, event, payload })
  }

  #end(): void {
    if (this.isClosed) return
    const wasJoined = this.#heldBroadcasts === undefined
    this.#phase = 'closed'
    this.#unsubscribe()
    this.#socket.forget(this)
    this.untrack()
    if (!wasJoined) return
    try {
      this.#definition.left(this)
    } catch (error) {
      this.#endpoint.logCrash(error, this.topic, 'phx_leave')
    }
  }

  #unsubscribe(): void {
    this.#endpoint.pubsub.unsubscribe(this.topic, this)
  }
}

/** An event that is running. */
interface RunningEvent {
  message: ClientMessage
  handler: EventHandler
  reply: PushReply
  /** Undefined if nobody asks how long it takes. */
  startedAt: number | undefined
}
