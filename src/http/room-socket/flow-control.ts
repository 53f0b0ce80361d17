import type { WebSocketTransport } from '../../realtime/socket/websocket-transport.ts'
import type { FrameQueue } from './frame-queue.ts'
import type { LargeFrame, LargeFrameLimiter } from './large-frame-limiter.ts'

/** Size of the largest frame that needs no slot of the limiter. */
const MAX_SMALL_FRAME_BYTES = 262_144
/** Minimum size that a network chunk counts as: a small chunk takes more memory than its length. */
const MIN_CHUNK_BYTES = 256

interface FlowControlOptions {
  userId: string
  ws: Pick<WebSocketTransport, 'pause' | 'resume' | 'isPaused'>
  queue: FrameQueue
  limiter: LargeFrameLimiter
  /** Called when reading resumes. */
  onResume(): void
  /** Called when a large frame times out or arrives too slowly. */
  onExpire(): void
}

/** Pauses reading from a client while its frame queue is full, or while its large frame waits for a slot. */
export class FlowControl implements LargeFrame {
  readonly #options: FlowControlOptions
  #isClosed = false
  #incomingBytes = 0
  #slot: 'none' | 'waiting' | 'held' = 'none'

  constructor(options: FlowControlOptions) {
    this.#options = options
  }

  get userId(): string {
    return this.#options.userId
  }

  get incomingBytes(): number {
    return this.#incomingBytes
  }

  /** Whether reading must be paused. Nothing else is read while a large frame is handled. */
  get isBlocked(): boolean {
    const { queue } = this.#options
    const isHandlingLargeFrame = this.#slot === 'held' && !queue.isIdle
    return this.#slot === 'waiting' || isHandlingLargeFrame || queue.isFull
  }

  /** Adds a chunk to the size of the incoming frame. */
  chunkReceived(length: number): void {
    this.#incomingBytes += Math.max(length, MIN_CHUNK_BYTES)
    if (this.#incomingBytes <= MAX_SMALL_FRAME_BYTES || this.#slot !== 'none') return
    // A closed connection handles no frames, so the rest of this one is not read.
    if (this.#isClosed) return this.#options.ws.pause()
    this.#slot = this.#options.limiter.acquire(this) ? 'held' : 'waiting'
    this.#pauseOrResume()
  }

  frameReceived(): void {
    this.#incomingBytes = 0
  }

  /** Called when the frame queue has changed. */
  update(): void {
    const isReceivingLargeFrame = this.#incomingBytes > MAX_SMALL_FRAME_BYTES
    if (this.#options.queue.isIdle && this.#slot === 'held' && !isReceivingLargeFrame) this.#release()
    this.#pauseOrResume()
  }

  close(): void {
    this.#isClosed = true
    this.#release()
  }

  acquired(): void {
    this.#slot = 'held'
    this.#pauseOrResume()
  }

  expired(): void {
    this.#options.onExpire()
  }

  #release(): void {
    this.#slot = 'none'
    this.#options.limiter.release(this)
  }

  #pauseOrResume(): void {
    const { ws, onResume } = this.#options
    if (this.isBlocked) return ws.pause()
    if (!ws.isPaused) return
    onResume()
    ws.resume()
  }
}
