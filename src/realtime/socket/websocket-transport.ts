import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { Transport } from './connection.ts'
import type { FrameBatch } from './frame-batch.ts'
import type { Writer, WriteTarget } from './writer.ts'

/** Receives the events of a WebSocket. */
export interface TransportListener {
  receiveFrame(data: Buffer, isBinary: boolean): void
  /** Called for a ping or a pong. */
  receiveControlFrame(): void
  /** Called when the connection is lost, or closed with a code. May be called more than once. */
  onDisconnect(code?: number): void
}

/**
 * Options of `ws` that limit the fragments of a message. Each fragment may keep a whole network buffer alive, so the number of
 * fragments limits the memory that an unfinished message takes, not its length.
 */
export function fragmentLimits(maxMessageBytes: number) {
  return {
    maxFragments: 64 + Math.ceil(maxMessageBytes / FRAGMENT_BYTES),
    maxBufferedChunks: 64 + Math.ceil(maxMessageBytes / CHUNK_BYTES),
  }
}

/** Minimum average size of a fragment, as browsers split long messages. */
const FRAGMENT_BYTES = 16_384
/** Minimum average size of a chunk from the network. The smallest TCP segments have 536 bytes. */
const CHUNK_BYTES = 512

/** A WebSocket that writes through a `Writer`, and flushes pending frames before it closes. */
export class WebSocketTransport extends WebSocket implements Transport, WriteTarget {
  pending: FrameBatch | undefined
  listener: TransportListener | undefined
  #stream: Duplex | undefined
  #writer: Writer | undefined

  /** Call it once, as soon as the connection is open. */
  attach(listener: TransportListener, stream: Duplex, writer: Writer): void {
    this.listener = listener
    this.#stream = stream
    this.#writer = writer
    // Shared functions, so that an idle connection holds no closures.
    this.on('error', onError)
    this.on('message', onMessage)
    this.on('ping', onControlFrame)
    this.on('pong', onControlFrame)
    this.on('close', onClose)
  }

  get stream(): Duplex {
    return this.#stream as Duplex
  }

  get bufferedBytes(): number {
    return this.stream.destroyed ? 0 : this.stream.writableLength
  }

  write(frame: Buffer): void {
    if (this.readyState === WebSocket.OPEN) this.#writer?.write(this, frame)
  }

  override close(code?: number, reason?: string | Buffer): void {
    this.#writer?.flush(this)
    super.close(code, reason)
  }

  override terminate(): void {
    super.terminate()
    this.listener?.onDisconnect()
  }
}

/** `this` of the event listeners, which `ws` types as a plain `WebSocket`. */
type ListeningSocket = WebSocket & { listener?: TransportListener | undefined }

function onMessage(this: ListeningSocket, data: Buffer, isBinary: boolean): void {
  this.listener?.receiveFrame(data, isBinary)
}

function onControlFrame(this: ListeningSocket): void {
  this.listener?.receiveControlFrame()
}

function onClose(this: ListeningSocket, code: number): void {
  this.listener?.onDisconnect(code)
}

/** `ws` closes the connection with the appropriate code after an error, such as a reset or an oversized frame. */
function onError(): void {}
