import type { Backplane } from '../cluster/backplane.ts'
import { OutgoingBroadcast } from '../outgoing-broadcast.ts'

/** Receives the broadcasts of a topic on behalf of one user. */
export interface Subscriber {
  readonly userId: string
  deliver(broadcast: OutgoingBroadcast): void
  /** Ends the user's subscription and informs the client. */
  close(): void
}

/** Follows the subscriptions of this node. */
export interface SubscriptionObserver {
  /** Called for each new subscription, which is complete when the returned promise resolves. */
  subscribed(topic: string, subscriber: Subscriber): Promise<void> | undefined
  unsubscribed(topic: string, subscriber: Subscriber): void
  /** Resolves when everything sent to a subscriber so far is delivered; undefined if it already is. */
  settled(topic: string, subscriber: Subscriber): Promise<void> | undefined
}

/** Topics and their subscribers. A node receives the broadcasts of other nodes for the topics that it has subscribers in. */
export class PubSub {
  readonly #backplane: Backplane
  readonly #topics = new Map<string, Set<Subscriber>>()
  readonly #observers: SubscriptionObserver[] = []

  constructor(backplane: Backplane) {
    this.#backplane = backplane
  }

  observe(observer: SubscriptionObserver): void {
    this.#observers.push(observer)
  }

  /**
   * Adds a subscriber. It receives this node's broadcasts immediately, and those of other nodes once the returned promise
   * resolves; undefined if there is nothing to wait for.
   */
  subscribe(topic: string, subscriber: Subscriber): Promise<void> | undefined {
    let subscribed = this.#add(topic, subscriber)
    for (const observer of this.#observers) {
      const observed = observer.subscribed(topic, subscriber)
      if (observed) subscribed = subscribed ? both(subscribed, observed) : observed
    }
    return subscribed
  }

  unsubscribe(topic: string, subscriber: Subscriber): void {
    const subscribers = this.#topics.get(topic)
    if (!subscribers?.delete(subscriber)) return
    for (const observer of this.#observers) observer.unsubscribed(topic, subscriber)
    if (subscribers.size > 0) return
    this.#topics.delete(topic)
    if (!this.#backplane.isSingleNode) this.#backplane.unsubscribe(routeOf(topic))
  }

  /** Resolves when everything sent to a subscriber so far is delivered; undefined if it already is. */
  settled(topic: string, subscriber: Subscriber): Promise<void> | undefined {
    let settled: Promise<void> | undefined
    for (const observer of this.#observers) settled ??= observer.settled(topic, subscriber)
    return settled
  }

  /** The subscribers of a topic on this node. The set is live: copy it before changing subscriptions. */
  subscribers(topic: string): ReadonlySet<Subscriber> {
    return this.#topics.get(topic) ?? NO_SUBSCRIBERS
  }

  /**
   * Sends an event to all subscribers of a topic on all nodes. Those of this node receive events in the order of the calls.
   * @param sender a subscriber that does not receive it.
   */
  broadcast(topic: string, event: string, payload: unknown, sender?: Subscriber): void {
    const { isSingleNode } = this.#backplane
    if (isSingleNode && !this.#topics.has(topic)) return
    const broadcast = new OutgoingBroadcast({ topic, event, payload })
    for (const subscriber of this.subscribers(topic)) if (subscriber !== sender) subscriber.deliver(broadcast)
    if (!isSingleNode) this.#backplane.publish(routeOf(topic), broadcast.frameForNodes)
  }

  /** Sends an event to the subscribers of a topic on this node. */
  broadcastLocally(topic: string, event: string, payload: unknown): void {
    if (this.#topics.has(topic)) this.deliver(topic, new OutgoingBroadcast({ topic, event, payload }))
  }

  /** Delivers a broadcast to the subscribers of a topic on this node. @param isRecipient selects users; default: all. */
  deliver(topic: string, broadcast: OutgoingBroadcast, isRecipient?: (userId: string) => boolean): void {
    deliver(this.subscribers(topic), broadcast, isRecipient)
  }

  #add(topic: string, subscriber: Subscriber): Promise<void> | undefined {
    const subscribers = this.#topics.get(topic)
    if (subscribers) {
      subscribers.add(subscriber)
    } else {
      this.#topics.set(topic, new Set([subscriber]))
    }
    if (this.#backplane.isSingleNode) return undefined
    return this.#backplane.subscribe(routeOf(topic), (frame) => {
      this.deliver(topic, OutgoingBroadcast.received(frame))
    })
  }
}

/** Delivers a broadcast to subscribers of its topic. @param isRecipient selects users; default: all. */
export function deliver(
  subscribers: Iterable<Subscriber>,
  broadcast: OutgoingBroadcast,
  isRecipient?: (userId: string) => boolean,
): void {
  for (const subscriber of subscribers) {
    if (!isRecipient || isRecipient(subscriber.userId)) subscriber.deliver(broadcast)
  }
}

async function both(one: Promise<void>, other: Promise<void>): Promise<void> {
  await Promise.all([one, other])
}

function routeOf(topic: string): string {
  return `topic:${topic}`
}

const NO_SUBSCRIBERS: ReadonlySet<never> = new Set()
