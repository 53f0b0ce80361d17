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
import type { TransportName } from './telemetry.ts'

/** The close code of a connection that ended without one (RFC 6455, section 7.1.5). */
const CONNECTION_LOST = 1006

/** One connection of the Phoenix protocol: decodes frames and dispatches messages to channels. */
export class Socket implements Connection, ParentSocket {
  readonly endpoint: Endpoint
  readonly identity: Identity
  readonly serializer: Serializer
  readonly address: string | undefined
  lastActiveAt: number
  readonly #transport: Transport
  readonly #transportName: TransportName
  /** When the handshake began; after it, when the connection was opened. */
  #since: number
  readonly #channels = new Map<string, SocketChannel>()
  #isReading = true
  #isClosed = false

  constructor(endpoint: Endpoint, transport: Transport, client: ConnectResult) {
    const { serializer, identity, address } = client
    this.endpoint = endpoint
    this.identity = identity
    this.serializer = serializer
    this.address = address
    this.#transport = transport
    this.lastActiveAt = endpoint.clock.now()
    this.#transportName = client.transport
    this.#since = client.startedAt
    if (endpoint.telemetry.connect) endpoint.report('connect', this.#telemetryDetails)
    if (endpoint.telemetry.close) this.#since = performance.now()
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
    if (this.#isFreeLeave(message)) return this.receive(message)
    const isHeartbeat = message.topic === 'phoenix' && message.event === 'heartbeat'
    const limited =
      tooManyBytes ?? (isHeartbeat ? limits.takeHeartbeat(userId) : limits.takeMessage(userId, message.event))
    if (limited) return this.endpoint.reject(this, message, limited)
    if (isHeartbeat) return this.#accept({ ...message, joinRef: null })
    if (message.payload === UNPARSED) return this.endpoint.reject(this, message, PAYLOAD_TOO_COMPLEX)
    this.receive(message)
  }

  /** Dispatches a message to the channel of its topic. Without a channel, only a join has an effect. */
  receive(message: ClientMessage): void {
    // A queued message may arrive here after the end, when a joined channel would never be left.
    if (this.#isClosed) return
    const channel = this.#channels.get(message.topic)
    if (channel) channel.receive(message)
    else if (message.event === 'phx_join') void this.#join(message)
    else if (message.event === 'phx_leave') this.#accept(message)
    else this.#rejectUnmatched(message)
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
    this.#end(code)
    this.#transport.close(code, reason)
  }

  /** Called by the transport when the connection is lost, or closed by the client. */
  onDisconnect(code = CONNECTION_LOST): void {
    this.#end(code)
  }

  forget(channel: SocketChannel): void {
    if (this.#channels.get(channel.topic) === channel) this.#channels.delete(channel.topic)
  }

  #join(message: ClientMessage): Promise<void> | undefined {
    const { topic, joinRef } = message
    const found = this.endpoint.findChannel(topic)
    if (!found) {
      this.#rejectUnmatched(message)
      this.push({ joinRef, ref: joinRef, topic, event: 'phx_close', payload: {} })
      return undefined
    }
    if (this.#channels.size >= this.endpoint.maxChannels) {
      this.endpoint.reject(this, message, TOO_MANY_CHANNELS)
      return undefined
    }
    const channel = new SocketChannel(this, found.definition, topic, joinRef)
    this.#channels.set(topic, channel)
    return channel.join(message, found.subtopic)
  }

  /**
   * Leaving is not limited, because the server would go on sending to a client that considers its channel closed. A leave that waits
   * behind another one is counted, so that the queue of a channel is bounded.
   */
  #isFreeLeave({ event, topic }: ClientMessage): boolean {
    return event === 'phx_leave' && !this.#channels.get(topic)?.isLeaving
  }

  /** As in Phoenix, the reply belongs to no channel. */
  #rejectUnmatched(message: ClientMessage): void {
    this.endpoint.reject(this, { ...message, joinRef: null }, UNMATCHED_TOPIC)
  }

  #accept({ joinRef, ref, topic }: ClientMessage): void {
    this.reply({ joinRef, ref, topic, status: 'ok', response: {} })
  }

  #end(code: number): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.endpoint.removeConnection(this)
    for (const channel of [...this.#channels.values()]) channel.abandon()
    if (this.endpoint.telemetry.close) this.endpoint.report('close', { ...this.#telemetryDetails, code })
  }

  get #telemetryDetails() {
    const { identity, address } = this
    return { identity, address, transport: this.#transportName, durationMs: performance.now() - this.#since }
  }
}

const UNMATCHED_TOPIC = { reason: ErrorReason.unmatchedTopic }
const TOO_MANY_CHANNELS = { reason: ErrorReason.tooManyChannels }

const PAYLOAD_TOO_COMPLEX = {
  reason: ErrorReason.invalidPayload,
  errors: { payload: ['has too many values, or is nested too deeply'] },
}
