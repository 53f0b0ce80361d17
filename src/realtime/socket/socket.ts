import {
  type ClientMessage,
  MalformedFrame,
  type Push,
  type Reply,
  UNPARSED,
} from '../../protocol/messages.ts'
import type { Serializer } from '../../protocol/serializer.ts'
import { encodeFrame } from '../../protocol/websocket-frame.ts'
import { CloseCode, ErrorReason } from '../codes.ts'
import type { Connection, Identity, Transport } from './connection.ts'
import type { Endpoint } from './endpoint.ts'
import type { ConnectResult } from './handshake.ts'
import { type ParentSocket, SocketChannel } from './socket-channel.ts'

/** One connection of the Phoenix protocol: decodes frames and dispatches messages to channels. */
export class Socket implements Connection, ParentSocket {
  readonly endpoint: Endpoint
  readonly identity: Identity
  readonly serializer: Serializer
  readonly address: string | undefined
  lastActiveAt: number
  readonly #transport: Transport
  readonly #channels = new Map<string, SocketChannel>()
  #isReading = true
  #isClosed = false

  constructor(endpoint: Endpoint, transport: Transport, { serializer, identity, address }: ConnectResult) {
    this.endpoint = endpoint
    this.identity = identity
    this.serializer = serializer
    this.address = address
    this.#transport = transport
    this.lastActiveAt = endpoint.clock.now()
  }

  /** Records that the client is still connected. */
  markActive(): void {
    this.lastActiveAt = this.endpoint.clock.now()
  }

  /** Handles a ping or a pong. */
  receiveControlFrame(): void {
    this.markActive()
    this.endpoint.limitControlFrame(this)
  }

  /** Handles a frame. A malformed one closes the connection (1003). */
  receiveFrame(data: Buffer, isBinary: boolean): void {
    if (this.#isClosed || !this.#isReading) return
    this.markActive()
    const { limits } = this.endpoint
    const { userId } = this.identity
    const tooManyBytes = limits.takeBytes(userId, data.length)
    let message: ClientMessage
    try {
      message = this.serializer.decode(isBinary ? data : data.toString(), tooManyBytes && 0)
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error
      return this.close(CloseCode.unsupportedData, 'malformed frame')
    }
    const isHeartbeat = message.topic === 'phoenix' && message.event === 'heartbeat'
    const limited =
      tooManyBytes ?? (isHeartbeat ? limits.takeHeartbeat(userId) : limits.takeMessage(userId, message.event))
    if (limited) return this.#answer(message, 'error', limited)
    if (isHeartbeat) return this.#answer({ ...message, joinRef: null }, 'ok', {})
    if (message.payload === UNPARSED) return this.#answer(message, 'error', PAYLOAD_TOO_COMPLEX)
    this.receive(message)
  }

  /** Dispatches a message to the channel of its topic. Without a channel, only a join has an effect. */
  receive(message: ClientMessage): void {
    // A queued message may arrive here after the end, when a joined channel would never be left.
    if (this.#isClosed) return
    const channel = this.#channels.get(message.topic)
    if (channel) channel.receive(message)
    else if (message.event === 'phx_join') void this.#join(message)
    else if (message.event === 'phx_leave') this.#answer(message, 'ok', {})
    else this.#answer(message, 'error', UNMATCHED_TOPIC)
  }

  /** Replaces a channel whose topic is joined again. The client receives the new reply, then `phx_close` for the old channel. */
  async rejoin(old: SocketChannel, message: ClientMessage): Promise<void> {
    old.abandon()
    await this.#join(message)
    this.push({ joinRef: old.joinRef, ref: old.joinRef, topic: old.topic, event: 'phx_close', payload: {} })
  }

  reply(reply: Reply): void {
    if (!this.#isClosed) this.#transport.write(encodeFrame(this.serializer.encodeReply(reply)))
  }

  push(push: Push): void {
    if (!this.#isClosed) this.#transport.write(encodeFrame(this.serializer.encodePush(push)))
  }

  /** Writes a complete WebSocket frame. */
  write(frame: Buffer): void {
    if (!this.#isClosed) this.#transport.write(frame)
  }

  stopReading(): void {
    this.#isReading = false
  }

  get isIdle(): boolean {
    for (const channel of this.#channels.values()) if (!channel.isIdle) return false
    return true
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return
    this.#end()
    this.#transport.close(code, reason)
  }

  /** Called by the transport when the connection is lost. */
  onDisconnect(): void {
    this.#end()
  }

  forget(channel: SocketChannel): void {
    if (this.#channels.get(channel.topic) === channel) this.#channels.delete(channel.topic)
  }

  #join(message: ClientMessage): Promise<void> | undefined {
    const { topic, joinRef } = message
    const found = this.endpoint.findChannel(topic)
    if (!found) {
      this.#answer(message, 'error', UNMATCHED_TOPIC)
      this.push({ joinRef, ref: joinRef, topic, event: 'phx_close', payload: {} })
      return undefined
    }
    if (this.#channels.size >= this.endpoint.maxChannels) {
      this.#answer(message, 'error', { reason: ErrorReason.tooManyChannels })
      return undefined
    }
    const channel = new SocketChannel(this, found.definition, topic, joinRef)
    this.#channels.set(topic, channel)
    return channel.join(message, found.subtopic)
  }

  #answer({ joinRef, ref, topic }: ClientMessage, status: 'ok' | 'error', response: unknown): void {
    this.reply({ joinRef, ref, topic, status, response })
  }

  #end(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.endpoint.removeConnection(this)
    for (const channel of [...this.#channels.values()]) channel.abandon()
  }
}

const UNMATCHED_TOPIC = { reason: ErrorReason.unmatchedTopic }

const PAYLOAD_TOO_COMPLEX = {
  reason: ErrorReason.invalidPayload,
  errors: { payload: ['has too many values, or is nested too deeply'] },
}
