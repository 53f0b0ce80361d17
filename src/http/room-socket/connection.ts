import type { Duplex } from 'node:stream'
import type { Participant } from '../../domain/presence/room-presence.ts'
import { describeDatabaseFailure } from '../../domain/shared/database-failure.ts'
import { AppError } from '../../errors.ts'
import { encodeFrame } from '../../protocol/websocket-frame.ts'
import { CloseCode } from '../../realtime/codes.ts'
import type { BroadcastEncoder } from '../../realtime/outgoing-broadcast.ts'
import type { Subscriber } from '../../realtime/pubsub/pubsub.ts'
import type { Connection, ConnectionOwner, Identity } from '../../realtime/socket/connection.ts'
import type { Endpoint } from '../../realtime/socket/endpoint.ts'
import type { TransportListener, WebSocketTransport } from '../../realtime/socket/websocket-transport.ts'
import { roomTopic } from '../../topics.ts'
import { onlineView, roomErrorView } from '../../views/rooms.ts'
import { FlowControl } from './flow-control.ts'
import { describeError, type RoomServices, readFrame } from './frame-handler.ts'
import { FrameQueue } from './frame-queue.ts'
import type { LargeFrameLimiter } from './large-frame-limiter.ts'

/** Shared by all room connections. */
export interface RoomConnectionOptions {
  endpoint: Endpoint
  services: RoomServices
  largeFrames: LargeFrameLimiter
  /** Maximum size of a text frame. */
  maxTextBytes: number
}

/** Encodes a broadcast as plain JSON; the event name is a field of the payload. */
const plain: BroadcastEncoder = { encodeBroadcast: ({ payload }) => JSON.stringify(payload) }

/**
 * One connection to one room. The constructor subscribes to the room, so that a removal during the handshake closes the
 * connection. `open` attaches the socket.
 */
export class RoomConnection implements Connection, TransportListener {
  readonly identity: Identity
  readonly address: string | undefined
  /** Resolves when the subscription is active; undefined if it is active immediately. */
  readonly subscribed: Promise<void> | undefined
  readonly #options: RoomConnectionOptions
  readonly #topic: string
  readonly #subscriber: Subscriber
  readonly #frames: FrameQueue
  #state: 'connecting' | 'open' | 'draining' | 'closed' = 'connecting'
  #participant: Participant | undefined
  #ws: WebSocketTransport | undefined
  #flow: FlowControl | undefined
  #lastReceivedAt: number

  constructor(options: RoomConnectionOptions, { identity, address }: ConnectionOwner, roomId: string) {
    this.identity = identity
    this.address = address
    this.#options = options
    this.#topic = roomTopic(roomId)
    this.#lastReceivedAt = options.endpoint.clock.now()
    this.#subscriber = {
      userId: identity.userId,
      deliver: (broadcast) => this.#write(broadcast.frame(plain)),
      close: () => this.close(CloseCode.policyViolation, 'removed from the room'),
    }
    const { services, maxTextBytes } = options
    this.#frames = new FrameQueue({
      read: (frame) =>
        readFrame({ services, maxTextBytes, participant: this.#participant as Participant }, frame),
      onError: (error) => this.#fail(error),
      onChange: () => this.#flow?.update(),
    })
    options.endpoint.addConnection(this)
    this.subscribed = options.endpoint.pubsub.subscribe(this.#topic, this.#subscriber)
  }

  get userId(): string {
    return this.identity.userId
  }

  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  /** A client with queued frames counts as active, because reading from it may be paused. */
  get lastActiveAt(): number {
    const isWaiting = this.#flow?.isBlocked || !this.isIdle
    return isWaiting ? this.#options.endpoint.clock.now() : this.#lastReceivedAt
  }

  get isIdle(): boolean {
    return this.#frames.isIdle
  }

  /** Attaches the upgraded socket, and marks the participant as present in the room. */
  open(ws: WebSocketTransport, stream: Duplex, participant: Participant): void {
    this.#ws = ws
    this.#participant = participant
    this.#state = 'open'
    this.#flow = new FlowControl({
      userId: this.userId,
      ws,
      queue: this.#frames,
      limiter: this.#options.largeFrames,
      onResume: () => this.#received(),
      onExpire: () => this.close(CloseCode.policyViolation, 'too slow'),
    })
    this.#listen(ws, stream)
    const { roomPresence } = this.#options.services
    if (!roomPresence.enter(participant)) this.#send(onlineView(roomPresence.count(participant.roomId)))
  }

  stopReading(): void {
    if (this.#state === 'open') this.#state = 'draining'
    else if (this.#state === 'connecting') this.onDisconnect()
  }

  close(code: number, reason: string): void {
    this.onDisconnect()
    this.#ws?.close(code, reason)
  }

  receiveFrame(data: Buffer, isBinary: boolean): void {
    this.#flow?.frameReceived()
    if (this.#state !== 'open') return
    const { endpoint } = this.#options
    const limited = endpoint.limits.takeMessage(this.userId, 'message')
    if (limited) return this.#send(roomErrorView(describeError(new AppError('rate_limited'))))
    endpoint.limits.charge(this.userId, endpoint.pubsub.subscribers(this.#topic).size)
    this.#frames.add({ data, isBinary })
  }

  receiveControlFrame(): void {
    this.#received()
    this.#options.endpoint.limitControlFrame(this)
  }

  /** Also ends a connection that was never opened. */
  onDisconnect(): void {
    if (this.isClosed) return
    this.#state = 'closed'
    const { endpoint, services } = this.#options
    endpoint.removeConnection(this)
    endpoint.pubsub.unsubscribe(this.#topic, this.#subscriber)
    this.#flow?.close()
    this.#frames.clear()
    if (this.#participant) services.roomPresence.leave(this.#participant)
  }

  #listen(ws: WebSocketTransport, stream: Duplex): void {
    // Runs before the listener of `ws`, so that the last bytes of a frame are counted before the frame is received.
    stream.prependListener('data', (chunk: Buffer) => {
      this.#received()
      this.#flow?.chunkReceived(chunk.length)
    })
    ws.attach(this, stream, this.#options.endpoint.writer)
  }

  #received(): void {
    this.#lastReceivedAt = this.#options.endpoint.clock.now()
  }

  #fail(error: unknown): void {
    const failure = error instanceof AppError ? error : describeDatabaseFailure(error)
    if (!failure) this.#options.endpoint.logCrash(error, this.#topic, 'frame')
    if (failure?.status === 403) this.#options.endpoint.reportDenial(this.identity, failure.code)
    this.#send(roomErrorView(failure ? describeError(failure) : 'Something went wrong.'))
  }

  #send(event: object): void {
    this.#write(encodeFrame(JSON.stringify(event)))
  }

  #write(frame: Buffer): void {
    if (!this.isClosed) this.#ws?.write(frame)
  }
}
