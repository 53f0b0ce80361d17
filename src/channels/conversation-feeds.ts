import type { Endpoint } from '../realtime/endpoint.ts'
import { Feeds, type Place, type Positions } from '../realtime/feeds.ts'
import type { Parcel } from '../realtime/parcel.ts'
import { OutgoingBroadcast, type Subscriber, type SubscriptionObserver } from '../realtime/pubsub.ts'
import type { Reading } from '../realtime/sequencer.ts'
import { conversationTopic } from './topics.ts'

/** A change of a conversation on its way to its members: its place, where it is told, and whom it puts out. */
interface Label extends Place {
  topic: string
  /** Who has left by it. */
  leaverId?: string | undefined
}

/** An event of a conversation, for the users it concerns. */
export interface ConversationEvent {
  conversationId: string
  /** Its place in the conversation's order. */
  seq: number
  topic: string
  userIds: readonly string[]
  event: string
  payload: unknown
  leaverId?: string
  /** Whether it is told at once, as what begins a conversation is. */
  isUnordered?: boolean
}

/** Where the changes of conversations are stored. */
export interface ChangeStore {
  /** Where the conversations of some users stand. */
  positions(userIds: readonly string[]): Promise<Map<string, Positions>>
  /**
   * The changes after a place, or all since the user became a member, in order and perhaps not all at once; undefined for
   * one who is no member.
   */
  changes(
    userId: string,
    conversationId: string,
    after: number | undefined,
  ): Promise<MissedChanges | undefined>
}

/** A part of what a user has missed. */
export interface MissedChanges {
  /** The place up to which all is in it. */
  upTo: number
  /** Whether that was all there is. */
  isLast: boolean
  events: { topic: string; event: string; payload: unknown }[]
}

const PREFIX = conversationTopic('')

/** Tells members of the changes of their conversations, on all nodes: each once, and in the order of the conversation. */
export class ConversationFeeds implements SubscriptionObserver<Subscriber> {
  readonly #endpoint: Endpoint
  readonly #store: ChangeStore
  readonly #feeds: Feeds<Label>

  constructor(endpoint: Endpoint, store: ChangeStore) {
    const { nodes, clock } = endpoint
    this.#endpoint = endpoint
    this.#store = store
    this.#feeds = new Feeds(
      {
        name: 'user-feed',
        positions: (userIds) => store.positions(userIds),
        deliver: (userId, parcel) => this.#deliver(new Set([userId]), parcel),
        catchUp: (userId, conversationId, after) => this.#catchUp(userId, conversationId, after),
        failed: (error) => endpoint.logUnexplained(error, 'conversation:*', 'catch up'),
      },
      nodes,
      clock,
    )
    endpoint.pubsub.observe(this)
  }

  get catchUps(): number {
    return this.#feeds.catchUps
  }

  subscribed(topic: string, { userId }: Subscriber): Promise<void> | undefined {
    return this.#isFed(topic) ? this.#feeds.attach(userId) : undefined
  }

  unsubscribed(topic: string, { userId }: Subscriber): void {
    if (this.#isFed(topic)) this.#feeds.detach(userId)
  }

  settled(topic: string, { userId }: Subscriber): Promise<void> | undefined {
    return this.#isFed(topic) ? this.#feeds.settled(userId, topic.slice(PREFIX.length)) : undefined
  }

  /** Tells users of a change that is committed. */
  send({ conversationId, userIds, event, payload, ...place }: ConversationEvent): void {
    const { topic, leaverId } = place
    if (this.#isAlone) {
      this.#endpoint.pubsub.broadcastHere(topic, event, payload)
      if (leaverId !== undefined) this.#putOut(leaverId, conversationId)
      return
    }
    const broadcast = new OutgoingBroadcast({ topic, event, payload })
    const parcel = { label: { stream: conversationId, ...place }, broadcast }
    this.#feeds.send(userIds, parcel, (inTurn) => this.#deliver(inTurn, parcel))
  }

  get #isAlone(): boolean {
    return this.#endpoint.nodes.backplane.isAlone
  }

  #isFed(topic: string): boolean {
    return !this.#isAlone && (topic.startsWith('user:') || topic.startsWith('conversation:'))
  }

  #deliver(userIds: ReadonlySet<string>, { label, broadcast }: Parcel<Label>): void {
    const { topic, stream, leaverId } = label
    this.#endpoint.pubsub.deliver(topic, broadcast, (userId) => userIds.has(userId))
    if (leaverId !== undefined && userIds.has(leaverId)) this.#putOut(leaverId, stream)
  }

  #putOut(userId: string, conversationId: string): void {
    this.#feeds.forget(userId, conversationId)
    this.#endpoint.closeChannels(conversationTopic(conversationId), userId)
  }

  async #catchUp(userId: string, conversationId: string, after: number | undefined): Promise<Reading> {
    const missed = await this.#store.changes(userId, conversationId, after)
    if (!missed) {
      return { upTo: undefined, isLast: true, deliver: () => this.#putOut(userId, conversationId) }
    }
    const { upTo, isLast, events } = missed
    const deliver = () => {
      for (const { topic, event, payload } of events) {
        const broadcast = new OutgoingBroadcast({ topic, event, payload })
        this.#endpoint.pubsub.deliver(topic, broadcast, (id) => id === userId)
      }
    }
    return { upTo, isLast, deliver }
  }
}
