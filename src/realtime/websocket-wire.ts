import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import type { Run } from './run.ts'
import type { Wire } from './socket.ts'
import type { Outlet, Writer } from './writer.ts'

/** Whoever is at this end of a WebSocket. */
export interface Listener {
  receiveFrame(data: Buffer, isBinary: boolean): void
  /** The client is still there. */
  heard(): void
  /** The connection is gone. */
  disconnected(): void
}

/** A WebSocket that leaves writing to a `Writer`, and sends what was gathered before it says goodbye. */
export class WebSocketWire extends WebSocket implements Wire, Outlet {
  pending: Run | undefined
  listener: Listener | undefined
  #stream: Duplex | undefined
  #writer: Writer | undefined

  /** To be called once, as soon as the connection stands. */
  attach(listener: Listener, stream: Duplex, writer: Writer): void {
    this.listener = listener
    this.#stream = stream
    this.#writer = writer
    // Shared by all connections, so that an idle one costs no closures.
    this.on('error', onError)
    this.on('message', onMessage)
    this.on('ping', onPing)
    this.on('close', onClose)
  }

  get stream(): Duplex {
    return this.#stream as Duplex
  }

  get waitingBytes(): number {
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
    this.listener?.disconnected()
  }
}

/** What the listeners see of it: `ws` knows no more. */
type Listening = WebSocket & { listener?: Listener | undefined }

function onMessage(this: Listening, data: Buffer, isBinary: boolean): void {
  this.listener?.receiveFrame(data, isBinary)
}

function onPing(this: Listening): void {
  this.listener?.heard()
}

function onClose(this: Listening): void {
  this.listener?.disconnected()
}

/** Whatever the connection failed with (a reset, a frame too large), `ws` closes it with the code that says so. */
function onError(): void {}
