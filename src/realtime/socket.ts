import { type ClientMessage, MalformedFrame, type Push, type Reply } from '../protocol/messages.ts'
import type { Serializer } from '../protocol/serializer.ts'
import { Channel } from './channel.ts'
import type { Connection, Endpoint } from './endpoint.ts'
import { encodeFrame } from './frames.ts'
import type { Admission } from './handshake.ts'

/** Who a connection belongs to: a user, signed in by one session. */
export interface Identity {
  readonly userId: string
  readonly sessionId: string
}

/** What carries a connection's frames. */
export interface Wire {
  /** Writes a whole WebSocket frame, unless the connection is closing. */
  write(frame: Buffer): void
  /** Says goodbye with a close code. */
  close(code: number, reason: string): void
}

/** Close codes of RFC 6455, section 7.4.1, and its registry. */
export const CloseCode = {
  goingAway: 1001,
  unsupportedData: 1003,
  policyViolation: 1008,
  messageTooBig: 1009,
  serviceRestart: 1012,
} as const

/** One connection: takes its frames apart, and brings each message to its channel. */
export class Socket implements Connection {
  readonly endpoint: Endpoint
  readonly identity: Identity
  readonly serializer: Serializer
  /** When the client was last heard, in milliseconds of the endpoint's clock. */
  heardAt: number
  readonly #wire: Wire
  readonly #channels = new Map<string, Channel>()
  /** Takes no more frames: what is under way is still answered. */
  #quiet = false
  #closed = false

  constructor(endpoint: Endpoint, wire: Wire, { serializer, identity }: Admission) {
    this.endpoint = endpoint
    this.identity = identity
    this.serializer = serializer
    this.#wire = wire
    this.heardAt = endpoint.clock.now()
  }

  /** Notes that the client is still there. */
  heard(): void {
    this.heardAt = this.endpoint.clock.now()
  }

  /** Takes one frame off the wire. One that is not of the protocol closes the connection (1003). */
  receiveFrame(data: Buffer, isBinary: boolean): void {
    if (this.#closed || this.#quiet) return
    this.heard()
    let message: ClientMessage
    try {
      message = this.serializer.decode(isBinary ? data : data.toString())
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error
      return this.close(CloseCode.unsupportedData, 'malformed frame')
    }
    if (message.topic === 'phoenix' && message.event === 'heartbeat') {
      return this.reply({ joinRef: null, ref: message.ref, topic: 'phoenix', status: 'ok', response: {} })
    }
    const limited = this.endpoint.limit(this.identity.userId, message.event)
    if (limited) return this.#answer(message, 'error', limited)
    this.receive(message)
  }

  /** Brings a message to the channel of its topic; without one, it can only join. */
  receive(message: ClientMessage): void {
    // What waited for its turn may come after the end: a channel that is joined then would never be left.
    if (this.#closed) return
    const channel = this.#channels.get(message.topic)
    if (channel) channel.receive(message)
    else if (message.event === 'phx_join') void this.#join(message)
    else if (message.event === 'phx_leave') this.#answer(message, 'ok', {})
    else this.#answer(message, 'error', UNMATCHED_TOPIC)
  }

  /** A client joins a topic again: the old channel makes way, and is told closed after the new one is answered. */
  async rejoin(old: Channel, message: ClientMessage): Promise<void> {
    old.abandon()
    await this.#join(message)
    this.push({ joinRef: old.joinRef, ref: old.joinRef, topic: old.topic, event: 'phx_close', payload: {} })
  }

  reply(reply: Reply): void {
    if (!this.#closed) this.#wire.write(encodeFrame(this.serializer.encodeReply(reply)))
  }

  push(push: Push): void {
    if (!this.#closed) this.#wire.write(encodeFrame(this.serializer.encodePush(push)))
  }

  /** Writes a whole WebSocket frame. */
  write(frame: Buffer): void {
    if (!this.#closed) this.#wire.write(frame)
  }

  /** Takes no more frames, so that the connection comes to rest. */
  quiet(): void {
    this.#quiet = true
  }

  /** Whether everything the client asked for is answered. */
  get isIdle(): boolean {
    for (const channel of this.#channels.values()) if (!channel.isIdle) return false
    return true
  }

  /** Says goodbye with a close code; what arrives from now on is ignored. */
  close(code: number, reason: string): void {
    if (this.#closed) return
    this.#end()
    this.#wire.close(code, reason)
  }

  /** The connection is gone. */
  disconnected(): void {
    this.#end()
  }

  /** Takes a channel that has ended out of the topics of this socket. */
  forget(channel: Channel): void {
    if (this.#channels.get(channel.topic) === channel) this.#channels.delete(channel.topic)
  }

  #join(message: ClientMessage): Promise<void> | undefined {
    const { topic, joinRef } = message
    const found = this.endpoint.findChannel(topic)
    if (!found) {
      this.#answer(message, 'error', UNMATCHED_TOPIC)
      return this.#answerClosed(message)
    }
    if (this.#channels.size >= this.endpoint.maxChannels) {
      this.#answer(message, 'error', { reason: 'too many channels joined' })
      return undefined
    }
    const channel = new Channel(this, found.definition, topic, joinRef)
    this.#channels.set(topic, channel)
    return channel.join(message, found.subtopic)
  }

  #answer({ joinRef, ref, topic }: ClientMessage, status: 'ok' | 'error', response: unknown): void {
    this.reply({ joinRef, ref, topic, status, response })
  }

  #answerClosed({ joinRef, topic }: ClientMessage): undefined {
    this.push({ joinRef, ref: joinRef, topic, event: 'phx_close', payload: {} })
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    this.endpoint.forget(this)
    for (const channel of [...this.#channels.values()]) channel.abandon()
  }
}

const UNMATCHED_TOPIC = { reason: 'unmatched topic' }
