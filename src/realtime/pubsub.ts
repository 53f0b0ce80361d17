import type { Broadcast } from '../protocol/messages.ts'
import type { Serializer } from '../protocol/serializer.ts'
import { encodeFrame } from './frames.ts'

/** One broadcast on its way to many sockets: encoded once for each protocol version that is listening. */
export class OutgoingBroadcast {
  readonly #broadcast: Broadcast
  readonly #frames = new Map<BroadcastEncoder, Buffer>()

  constructor(broadcast: Broadcast) {
    this.#broadcast = broadcast
  }

  frame(encoder: BroadcastEncoder): Buffer {
    let frame = this.#frames.get(encoder)
    if (!frame) {
      frame = encodeFrame(encoder.encodeBroadcast(this.#broadcast))
      this.#frames.set(encoder, frame)
    }
    return frame
  }
}

/** The part of a protocol that broadcasts need. */
export type BroadcastEncoder = Pick<Serializer, 'encodeBroadcast'>

/** What a topic delivers to, on behalf of one user. */
export interface Subscriber {
  readonly userId: string
  deliver(broadcast: OutgoingBroadcast): void
  /** Puts the user out of the topic. */
  close(): void
}

/** Topics and who listens to them. */
export class PubSub<S extends Subscriber> {
  readonly #topics = new Map<string, Set<S>>()

  subscribe(topic: string, subscriber: S): void {
    const subscribers = this.#topics.get(topic)
    if (subscribers) subscribers.add(subscriber)
    else this.#topics.set(topic, new Set([subscriber]))
  }

  unsubscribe(topic: string, subscriber: S): void {
    const subscribers = this.#topics.get(topic)
    if (subscribers?.delete(subscriber) && subscribers.size === 0) this.#topics.delete(topic)
  }

  /** Those who listen to a topic; the set is live: copy it before changing subscriptions. */
  subscribers(topic: string): ReadonlySet<S> {
    return this.#topics.get(topic) ?? (EMPTY as ReadonlySet<S>)
  }

  /** Sends an event to everyone in a topic, in the order of the calls. */
  broadcast(topic: string, event: string, payload: unknown): void {
    const subscribers = this.#topics.get(topic)
    if (!subscribers) return
    const broadcast = new OutgoingBroadcast({ topic, event, payload })
    for (const subscriber of subscribers) subscriber.deliver(broadcast)
  }
}

const EMPTY: ReadonlySet<never> = new Set()
