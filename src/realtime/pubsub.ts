import type { Broadcast } from '../protocol/messages.ts'
import { decodeBroadcast, type Serializer, v2 } from '../protocol/serializer.ts'
import type { Backplane } from './backplane.ts'
import { encodeFrame, messageOf } from './frames.ts'

/** The part of a protocol that broadcasts need. */
export type BroadcastEncoder = Pick<Serializer, 'encodeBroadcast'>

/** One broadcast on its way to many sockets: encoded once for each protocol version that is listening. */
export class OutgoingBroadcast {
  readonly #frames = new Map<BroadcastEncoder, Buffer>()
  #broadcast: Broadcast | undefined

  constructor(broadcast?: Broadcast) {
    this.#broadcast = broadcast
  }

  /** One that comes from another node, as that node's `frameForNodes`. */
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

  /** The frame that crosses to other nodes: what most clients there are sent as it is. */
  get frameForNodes(): Buffer {
    return this.frame(v2)
  }

  get broadcast(): Broadcast {
    this.#broadcast ??= decodeBroadcast(messageOf(this.frameForNodes))
    return this.#broadcast
  }
}

/** What a topic delivers to, on behalf of one user. */
export interface Subscriber {
  readonly userId: string
  deliver(broadcast: OutgoingBroadcast): void
  /** Puts the user out of the topic. */
  close(): void
}

/** Hears who listens to what on this node. */
export interface SubscriptionObserver<S extends Subscriber> {
  /** A promise is waited for before the subscription counts. */
  subscribed(topic: string, subscriber: S): Promise<void> | undefined
  unsubscribed(topic: string, subscriber: S): void
  /** Resolves when what was sent to a subscriber so far is delivered; undefined: it is. */
  settled(topic: string, subscriber: S): Promise<void> | undefined
}

/** Topics and who listens to them. A node hears those of the others that someone here listens to. */
export class PubSub<S extends Subscriber> {
  readonly #backplane: Backplane
  readonly #topics = new Map<string, Set<S>>()
  readonly #observers: SubscriptionObserver<S>[] = []

  constructor(backplane: Backplane) {
    this.#backplane = backplane
  }

  /** Adds one that is told of every subscription. */
  observe(observer: SubscriptionObserver<S>): void {
    this.#observers.push(observer)
  }

  /**
   * Adds a subscriber, who hears at once what is broadcast on this node, and that of others from when the promise
   * resolves; undefined when there is nothing to wait for.
   */
  subscribe(topic: string, subscriber: S): Promise<void> | undefined {
    let waits = this.#add(topic, subscriber)
    for (const observer of this.#observers) {
      const observed = observer.subscribed(topic, subscriber)
      if (observed) waits = waits ? both(waits, observed) : observed
    }
    return waits
  }

  unsubscribe(topic: string, subscriber: S): void {
    const subscribers = this.#topics.get(topic)
    if (!subscribers?.delete(subscriber)) return
    for (const observer of this.#observers) observer.unsubscribed(topic, subscriber)
    if (subscribers.size > 0) return
    this.#topics.delete(topic)
    if (!this.#backplane.isAlone) this.#backplane.unsubscribe(routeOf(topic))
  }

  /** Resolves when what was sent to a subscriber so far is delivered; undefined: it is. */
  settled(topic: string, subscriber: S): Promise<void> | undefined {
    let waits: Promise<void> | undefined
    for (const observer of this.#observers) waits ??= observer.settled(topic, subscriber)
    return waits
  }

  /** Those who listen to a topic on this node; the set is live: copy it before changing subscriptions. */
  subscribers(topic: string): ReadonlySet<S> {
    return this.#topics.get(topic) ?? (EMPTY as ReadonlySet<S>)
  }

  /** The topics that someone on this node listens to. */
  topics(): Iterable<string> {
    return this.#topics.keys()
  }

  /** Sends an event to everyone in a topic, on all nodes; those here get it in the order of the calls. */
  broadcast(topic: string, event: string, payload: unknown): void {
    const { isAlone } = this.#backplane
    if (isAlone && !this.#topics.has(topic)) return
    const broadcast = new OutgoingBroadcast({ topic, event, payload })
    this.deliver(topic, broadcast)
    if (!isAlone) this.#backplane.publish(routeOf(topic), broadcast.frameForNodes)
  }

  /** Sends an event to those in a topic who are on this node. */
  broadcastHere(topic: string, event: string, payload: unknown): void {
    if (this.#topics.has(topic)) this.deliver(topic, new OutgoingBroadcast({ topic, event, payload }))
  }

  /** Brings a broadcast to those in a topic on this node; with `isFor`, to some of them. */
  deliver(topic: string, broadcast: OutgoingBroadcast, isFor?: (userId: string) => boolean): void {
    for (const subscriber of this.subscribers(topic)) {
      if (!isFor || isFor(subscriber.userId)) subscriber.deliver(broadcast)
    }
  }

  #add(topic: string, subscriber: S): Promise<void> | undefined {
    const subscribers = this.#topics.get(topic)
    if (subscribers) {
      subscribers.add(subscriber)
    } else {
      this.#topics.set(topic, new Set([subscriber]))
    }
    if (this.#backplane.isAlone) return undefined
    return this.#backplane.subscribe(routeOf(topic), (frame) => {
      this.deliver(topic, OutgoingBroadcast.received(frame))
    })
  }
}

async function both(one: Promise<void>, other: Promise<void>): Promise<void> {
  await Promise.all([one, other])
}

function routeOf(topic: string): string {
  return `topic:${topic}`
}

const EMPTY: ReadonlySet<never> = new Set()
