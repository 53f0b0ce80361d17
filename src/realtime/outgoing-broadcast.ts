import type { Broadcast } from '../protocol/messages.ts'
import { decodeBroadcast, type Serializer, v2 } from '../protocol/serializer.ts'
import { encodeFrame, messageOf } from '../protocol/websocket-frame.ts'

export { EncodedJson } from '../protocol/messages.ts'

/** The part of a protocol version that broadcasts need. */
export type BroadcastEncoder = Pick<Serializer, 'encodeBroadcast'>

/** A broadcast to many sockets. It is encoded once for each protocol version in use. */
export class OutgoingBroadcast {
  readonly #frames = new Map<BroadcastEncoder, Buffer>()
  #broadcast: Broadcast | undefined

  constructor(broadcast?: Broadcast) {
    this.#broadcast = broadcast
  }

  /** Reads a broadcast that another node sent as its `frameForNodes`. */
  static received(frame: Buffer): OutgoingBroadcast {
    const outgoing = new OutgoingBroadcast()
    outgoing.#frames.set(v2, frame)
    return outgoing
  }

  frame(encoder: BroadcastEncoder): Buffer {
    let frame = this.#frames.get(encoder)
    if (!frame) {
      frame = encodeFrame(encoder.encodeBroadcast(this.broadcast))
      this.#frames.set(encoder, frame)
    }
    return frame
  }

  /** The frame that is sent to other nodes. Most clients there receive it unchanged. */
  get frameForNodes(): Buffer {
    return this.frame(v2)
  }

  get broadcast(): Broadcast {
    this.#broadcast ??= decodeBroadcast(messageOf(this.frameForNodes))
    return this.#broadcast
  }
}
