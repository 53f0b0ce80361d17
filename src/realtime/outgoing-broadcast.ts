import type { Broadcast } from '../protocol/messages.ts'
import { decodeBroadcast, type Serializer, v2 } from '../protocol/serializer.ts'
import { encodeFrame, messageOf } from '../protocol/websocket-frame.ts'

export { EncodedJson } from '../protocol/messages.ts'

/** The part of a protocol version that broadcasts need. */
export type BroadcastEncoder = Pick<Serializer, 'encodeBroadcast'>

/** A broadcast to many sockets. It is encoded once for each protocol version in use. */
export class OutgoingBroadcast {
  /** The first frame, and its encoder. Most broadcasts have one, and many have one subscriber. */
  #encoder: BroadcastEncoder | undefined
  #frame: Buffer | undefined
  #otherFrames: Map<BroadcastEncoder, Buffer> | undefined
  #broadcast: Broadcast | undefined

  constructor(broadcast?: Broadcast) {
    this.#broadcast = broadcast
  }

  /** Reads a broadcast that another node sent as its `frameForNodes`. */
  static received(frame: Buffer): OutgoingBroadcast {
    const outgoing = new OutgoingBroadcast()
    outgoing.#encoder = v2
    outgoing.#frame = frame
    return outgoing
  }

  frame(encoder: BroadcastEncoder): Buffer {
    if (this.#frame && this.#encoder === encoder) return this.#frame
    const known = this.#otherFrames?.get(encoder)
    if (known) return known
    const frame = encodeFrame(encoder.encodeBroadcast(this.broadcast))
    if (this.#frame) {
      this.#otherFrames ??= new Map()
      this.#otherFrames.set(encoder, frame)
    } else {
      this.#encoder = encoder
      this.#frame = frame
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
