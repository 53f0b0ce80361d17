import type { Duplex } from 'node:stream'
import { databaseTrouble } from '../domain/database-trouble.ts'
import type { Visitor } from '../domain/room-life.ts'
import { AppError } from '../errors.ts'
import type { Connection, Endpoint } from '../realtime/endpoint.ts'
import { encodeFrame } from '../realtime/frames.ts'
import type { BroadcastEncoder, Subscriber } from '../realtime/pubsub.ts'
import { CloseCode, type Identity } from '../realtime/socket.ts'
import type { Listener, WebSocketWire } from '../realtime/websocket-wire.ts'
import { onlineView, roomErrorView, roomTopic } from '../views/rooms.ts'
import { describeFailure, type RoomServices, runBinaryFrame, runTextFrame } from './room-commands.ts'
import type { LongFrame, RoomIntake } from './room-intake.ts'

/** What the connections to rooms share. */
export interface RoomConnectionOptions {
  endpoint: Endpoint
  services: RoomServices
  intake: RoomIntake
  /** Bytes of one text frame. */
  maxTextBytes: number
}

interface Frame {
  data: Buffer
  isBinary: boolean
}

/** Plain JSON: the event is a field of its payload. */
const plain: BroadcastEncoder = { encodeBroadcast: ({ payload }) => JSON.stringify(payload) }

/** Bytes of a frame that need no place in the intake. */
const SHORT = 262_144
/** Frames that may wait for their turn before no more are read. */
const MOST_WAITING = 64

/**
 * One connection to one room. It listens from the moment it is made, so that whoever is put out while they connect is put
 * out; `open` gives it its socket.
 */
export class RoomConnection implements Connection, Listener, LongFrame {
  readonly identity: Identity
  /** Settles when nothing that is told to the room is missed any more; undefined: from the beginning. */
  readonly listening: Promise<void> | undefined
  readonly #options: RoomConnectionOptions
  readonly #topic: string
  readonly #seat: Subscriber
  #visitor: Visitor | undefined
  #ws: WebSocketWire | undefined
  #lastHeardAt: number
  #phase: 'coming' | 'open' | 'quiet' | 'closed' = 'coming'
  readonly #waiting: Frame[] = []
  #busy = false
  /** Bytes of the frame that is coming in. */
  #incoming = 0
  #place: 'none' | 'wanted' | 'taken' = 'none'

  constructor(options: RoomConnectionOptions, identity: Identity, roomId: string) {
    this.identity = identity
    this.#options = options
    this.#topic = roomTopic(roomId)
    this.#lastHeardAt = options.endpoint.clock.now()
    this.#seat = {
      userId: identity.userId,
      deliver: (broadcast) => this.#write(broadcast.frame(plain)),
      close: () => this.close(CloseCode.policyViolation, 'removed from the room'),
    }
    options.endpoint.remember(this)
    this.listening = options.endpoint.pubsub.subscribe(this.#topic, this.#seat)
  }

  get userId(): string {
    return this.identity.userId
  }

  get isClosed(): boolean {
    return this.#phase === 'closed'
  }

  /** A client whose frames must wait has done its part. */
  get heardAt(): number {
    return this.#isHeldBack || !this.isIdle ? this.#options.endpoint.clock.now() : this.#lastHeardAt
  }

  get isIdle(): boolean {
    return !this.#busy && this.#waiting.length === 0
  }

  /** The connection stands: its user is in the room. */
  open(ws: WebSocketWire, stream: Duplex, visitor: Visitor): void {
    this.#ws = ws
    this.#visitor = visitor
    this.#phase = 'open'
    this.#listen(ws, stream)
    const { roomLife } = this.#options.services
    if (!roomLife.enter(visitor)) this.#tell(onlineView(roomLife.count(visitor.roomId)))
  }

  quiet(): void {
    if (this.#phase === 'open') this.#phase = 'quiet'
  }

  close(code: number, reason: string): void {
    this.disconnected()
    this.#ws?.close(code, reason)
  }

  receiveFrame(data: Buffer, isBinary: boolean): void {
    this.#incoming = 0
    if (this.#phase !== 'open') return
    const limited = this.#options.endpoint.limit(this.userId, 'message')
    if (limited) return this.#tell(roomErrorView(describeFailure(new AppError('rate_limited'))))
    this.#waiting.push({ data, isBinary })
    this.#holdBackOrNot()
    if (!this.#busy) void this.#work()
  }

  heard(): void {
    this.#lastHeardAt = this.#options.endpoint.clock.now()
  }

  admit(): void {
    this.#place = 'taken'
    this.#holdBackOrNot()
  }

  expire(): void {
    this.close(CloseCode.policyViolation, 'too slow')
  }

  /** The connection is gone, or never came to stand. */
  disconnected(): void {
    if (this.isClosed) return
    this.#phase = 'closed'
    const { endpoint, intake, services } = this.#options
    endpoint.forget(this)
    endpoint.pubsub.unsubscribe(this.#topic, this.#seat)
    intake.leave(this)
    this.#place = 'none'
    this.#waiting.length = 0
    if (this.#visitor) services.roomLife.leave(this.#visitor)
  }

  #listen(ws: WebSocketWire, stream: Duplex): void {
    // Before `ws` takes the bytes: those that make a frame whole have been counted when it comes.
    stream.prependListener('data', (chunk: Buffer) => {
      this.heard()
      this.#count(chunk.length)
    })
    ws.attach(this, stream, this.#options.endpoint.writer)
  }

  #count(bytes: number): void {
    this.#incoming += bytes
    if (this.#incoming <= SHORT || this.#place !== 'none') return
    // Nobody wants it any more: it stays with its sender until the connection is given up.
    if (this.isClosed) return this.#ws?.pause()
    this.#place = this.#options.intake.enter(this) ? 'taken' : 'wanted'
    this.#holdBackOrNot()
  }

  /** Frames take effect one after the other, in their order. */
  async #work(): Promise<void> {
    this.#busy = true
    for (let frame = this.#waiting.shift(); frame; frame = this.#waiting.shift()) {
      await this.#run(frame)
      this.#holdBackOrNot()
    }
    this.#busy = false
    this.#givePlaceBack()
    this.#holdBackOrNot()
  }

  async #run({ data, isBinary }: Frame): Promise<void> {
    const { services, maxTextBytes } = this.#options
    const visitor = this.#visitor as Visitor
    try {
      if (isBinary) await runBinaryFrame(services, visitor, data)
      else if (data.length > maxTextBytes) throw new AppError('payload_too_large')
      else await runTextFrame(services, visitor, data.toString())
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    const failure = error instanceof AppError ? error : databaseTrouble(error)
    if (!failure) this.#options.endpoint.logCrash(error, this.#topic, 'frame')
    this.#tell(roomErrorView(failure ? describeFailure(failure) : 'Something went wrong.'))
  }

  /** A frame that takes a place is the last one read until it is done with. */
  get #isHeldBack(): boolean {
    const isLong = this.#place === 'taken' && !this.isIdle
    return this.#place === 'wanted' || isLong || this.#waiting.length >= MOST_WAITING
  }

  #holdBackOrNot(): void {
    if (this.#isHeldBack) return this.#ws?.pause()
    if (!this.#ws?.isPaused) return
    // It could not be heard until now.
    this.heard()
    this.#ws.resume()
  }

  #givePlaceBack(): void {
    const isComing = this.#incoming > SHORT
    if (this.#place !== 'taken' || isComing) return
    this.#place = 'none'
    this.#options.intake.leave(this)
  }

  #tell(event: object): void {
    this.#write(encodeFrame(JSON.stringify(event)))
  }

  #write(frame: Buffer): void {
    if (!this.isClosed) this.#ws?.write(frame)
  }
}
