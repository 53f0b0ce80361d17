import type { Envelope } from '../../realtime/cluster/envelope.ts'
import {
  OrderedDelivery,
  type Positions,
  type StreamPosition,
} from '../../realtime/cluster/ordered-delivery.ts'
import type { CatchUpBatch } from '../../realtime/cluster/sequencer.ts'
import { OutgoingBroadcast } from '../../realtime/outgoing-broadcast.ts'
import { deliver, type Subscriber, type SubscriptionObserver } from '../../realtime/pubsub/pubsub.ts'
import type { Endpoint } from '../../realtime/socket/endpoint.ts'

/** A broadcast as clients of the multiplexed socket see it. */
export interface TopicEvent {
  topic: string
  event: string
  payload: unknown
}

/** A committed change to deliver to clients. */
export interface StreamEvent extends Omit<TopicEvent, 'payload'> {
  /** Makes the payload. On a single node it is called only if there is a subscriber. */
  payload(): unknown
  stream: string
  /** Its position in the stream; null when unknown: then the event is delivered out of order. */
  seq: number | null
  /** The owners that receive it, on all nodes. */
  owners: readonly string[]
  /** A user who has no access to the stream after this event. */
  evictedId?: string | undefined
  /** Whether to deliver it without waiting for earlier events, as for the first event of a stream. */
  isUnordered?: boolean
}

/** A batch of changes that a node missed, in order. */
export interface MissedEvents {
  /** The position of the last included change; undefined when no user on this node follows the stream any more. */
  upTo: number | undefined
  /** Whether there is nothing more to read. */
  isLast: boolean
  /** The requested users who still have access. */
  memberIds: ReadonlySet<string>
  events: readonly TopicEvent[]
}

/**
 * Describes a kind of stream. Its changes are stored and numbered without gaps. Nodes subscribe per owner: either a user, who
 * follows all of their streams, or a single stream, whose events go to all subscribers of its topic.
 */
export interface StreamKind {
  /** The prefix of routes between nodes, also in earlier versions of the server. */
  name: 'user-feed' | 'room-feed'
  /** Names the evicted user in metadata between nodes, also in earlier versions of the server. */
  evictedField: 'leaverId' | 'removedId'
  owners: 'users' | 'streams'
  /** The prefix of a stream's topic, before its id. */
  topicPrefix: string
  /** The prefix of the per-user topics that also carry events of the streams. */
  userTopicPrefix?: string
  /** The stored positions of all streams of some owners. */
  positions(owners: readonly string[]): Promise<Map<string, Positions>>
  /**
   * Reads the changes after a position for some users; without a position, from the start of their access. Undefined if the
   * stream does not exist.
   */
  missed(
    stream: string,
    after: number | undefined,
    userIds: readonly string[],
  ): Promise<MissedEvents | undefined>
}

interface Metadata extends StreamPosition {
  /** Absent for the topic of the stream itself. */
  topic?: string
  leaverId?: string
  removedId?: string
}

/**
 * Delivers the events of streams to their subscribers on all nodes, each once and in order, and evicts users who lose access.
 * A node reads events that it did not receive from the database.
 */
export class StreamDelivery implements SubscriptionObserver {
  readonly #endpoint: Endpoint
  readonly #kind: StreamKind
  readonly #ordered: OrderedDelivery<Metadata>

  constructor(endpoint: Endpoint, kind: StreamKind) {
    const { nodes, clock } = endpoint
    this.#endpoint = endpoint
    this.#kind = kind
    this.#ordered = new OrderedDelivery(
      {
        name: kind.name,
        positions: (owners) => kind.positions(owners),
        deliver: (owner, envelope) => this.#deliver(new Set([owner]), envelope),
        catchUp: (owner, stream, after) => this.#catchUp(owner, stream, after),
        onError: (error) => endpoint.logUnlessExpected(error, `${kind.topicPrefix}*`, 'catch up'),
      },
      nodes,
      clock,
    )
    endpoint.pubsub.observe(this)
  }

  /** How many times missed changes were read from the database. */
  get catchUps(): number {
    return this.#ordered.catchUps
  }

  subscribed(topic: string, { userId }: Subscriber): Promise<void> | undefined {
    const owner = this.#ownerOf(topic, userId)
    return owner === undefined ? undefined : this.#ordered.subscribe(owner)
  }

  unsubscribed(topic: string, { userId }: Subscriber): void {
    const owner = this.#ownerOf(topic, userId)
    if (owner !== undefined) this.#ordered.unsubscribe(owner)
  }

  settled(topic: string, { userId }: Subscriber): Promise<void> | undefined {
    const owner = this.#ownerOf(topic, userId)
    if (owner === undefined || !topic.startsWith(this.#kind.topicPrefix)) return undefined
    return this.#ordered.settled(owner, topic.slice(this.#kind.topicPrefix.length))
  }

  /** Delivers an event on all nodes. On this node it is delivered before the call returns, unless an earlier event is missing. */
  send({ stream, seq, owners, topic, event, payload, evictedId, isUnordered }: StreamEvent): void {
    if (this.#isSingleNode) {
      const subscribers = this.#endpoint.pubsub.subscribers(topic)
      if (subscribers.size) deliver(subscribers, new OutgoingBroadcast({ topic, event, payload: payload() }))
      if (evictedId !== undefined) this.#evict(evictedId, stream)
      return
    }
    const metadata: Metadata = {
      stream,
      seq: seq ?? 0,
      ...((isUnordered || seq === null) && { isUnordered: true }),
      ...(topic !== this.#topicOf(stream) && { topic }),
      ...(evictedId !== undefined && { [this.#kind.evictedField]: evictedId }),
    }
    const envelope = { metadata, broadcast: new OutgoingBroadcast({ topic, event, payload: payload() }) }
    this.#ordered.send(owners, envelope, (inOrder) => this.#deliver(inOrder, envelope))
  }

  stop(): void {
    this.#ordered.stop()
  }

  get #isSingleNode(): boolean {
    return this.#endpoint.nodes.backplane.isSingleNode
  }

  #topicOf(stream: string): string {
    return this.#kind.topicPrefix + stream
  }

  /** The owner that a subscription belongs to; undefined when the topic needs no ordering. */
  #ownerOf(topic: string, userId: string): string | undefined {
    const { owners, topicPrefix, userTopicPrefix } = this.#kind
    if (this.#isSingleNode) return undefined
    if (topic.startsWith(topicPrefix)) return owners === 'users' ? userId : topic.slice(topicPrefix.length)
    return userTopicPrefix !== undefined && topic.startsWith(userTopicPrefix) ? userId : undefined
  }

  #deliver(owners: ReadonlySet<string>, { metadata, broadcast }: Envelope<Metadata>): void {
    const { stream, topic = this.#topicOf(stream), leaverId, removedId } = metadata
    const evictedId = leaverId ?? removedId
    this.#broadcast(owners, topic, broadcast)
    if (evictedId === undefined) return
    if (this.#kind.owners === 'streams' || owners.has(evictedId)) this.#evict(evictedId, stream)
  }

  #broadcast(owners: ReadonlySet<string>, topic: string, broadcast: OutgoingBroadcast): void {
    const isRecipient = this.#kind.owners === 'users' ? (userId: string) => owners.has(userId) : undefined
    this.#endpoint.pubsub.deliver(topic, broadcast, isRecipient)
  }

  #evict(userId: string, stream: string): void {
    if (this.#kind.owners === 'users') this.#ordered.forget(userId, stream)
    this.#endpoint.closeChannels(this.#topicOf(stream), userId)
  }

  async #catchUp(owner: string, stream: string, after: number | undefined): Promise<CatchUpBatch> {
    const userIds = this.#kind.owners === 'users' ? [owner] : this.#subscribersOf(stream)
    const missed = await this.#kind.missed(stream, after, userIds)
    if (!missed) return { upTo: undefined, isLast: true, deliver: () => {} }
    const { upTo, isLast, memberIds, events } = missed
    const deliver = () => {
      for (const userId of userIds) if (!memberIds.has(userId)) this.#evict(userId, stream)
      for (const { topic, event, payload } of events) {
        this.#broadcast(new Set([owner]), topic, new OutgoingBroadcast({ topic, event, payload }))
      }
    }
    return { upTo, isLast, deliver }
  }

  #subscribersOf(stream: string): string[] {
    const subscribers = [...this.#endpoint.pubsub.subscribers(this.#topicOf(stream))]
    return [...new Set(subscribers.map(({ userId }) => userId))]
  }
}
