import type { Endpoint } from '../realtime/endpoint.ts'
import { Feeds, type Place, type Positions } from '../realtime/feeds.ts'
import type { Parcel } from '../realtime/parcel.ts'
import { OutgoingBroadcast, type Subscriber, type SubscriptionObserver } from '../realtime/pubsub.ts'
import type { Reading } from '../realtime/sequencer.ts'
import { type RoomEvent, roomTopic } from '../views/rooms.ts'

interface Label extends Place {
  /** Who is put out by it. */
  removedId?: string | undefined
}

/** Where what is sent to rooms is stored. */
export interface RoomStore {
  /** Where some rooms stand. */
  positions(roomIds: readonly string[]): Promise<Map<string, Positions>>
  /** What was sent to a room after a place, in order, and which of these users are its members; undefined: there is no room. */
  missed(roomId: string, after: number, userIds: readonly string[]): Promise<MissedInRoom | undefined>
}

/** A part of what was missed in a room. */
export interface MissedInRoom {
  /** The place up to which all is in it. */
  upTo: number
  /** Whether that was all there is. */
  isLast: boolean
  memberIds: ReadonlySet<string>
  events: RoomEvent[]
}

const PREFIX = roomTopic('')

/**
 * Tells those who are in a room what is sent there, on all nodes: once, and in the order of the room. A removal is part of
 * it, so that nothing later reaches whoever was removed.
 */
export class RoomFeeds implements SubscriptionObserver<Subscriber> {
  readonly #endpoint: Endpoint
  readonly #store: RoomStore
  readonly #feeds: Feeds<Label>

  constructor(endpoint: Endpoint, store: RoomStore) {
    const { nodes, clock } = endpoint
    this.#endpoint = endpoint
    this.#store = store
    this.#feeds = new Feeds(
      {
        name: 'room-feed',
        positions: (roomIds) => store.positions(roomIds),
        deliver: (_roomId, parcel) => this.#deliver(parcel),
        catchUp: (roomId, _stream, after) => this.#catchUp(roomId, after),
        failed: (error) => endpoint.logUnexplained(error, 'room:*', 'catch up'),
      },
      nodes,
      clock,
    )
    endpoint.pubsub.observe(this)
  }

  get catchUps(): number {
    return this.#feeds.catchUps
  }

  subscribed(topic: string): Promise<void> | undefined {
    return this.#isFed(topic) ? this.#feeds.attach(topic.slice(PREFIX.length)) : undefined
  }

  unsubscribed(topic: string): void {
    if (this.#isFed(topic)) this.#feeds.detach(topic.slice(PREFIX.length))
  }

  settled(topic: string): Promise<void> | undefined {
    if (!this.#isFed(topic)) return undefined
    const roomId = topic.slice(PREFIX.length)
    return this.#feeds.settled(roomId, roomId)
  }

  /** Tells a room of something that has a place in its order, and puts out whom it removes. */
  send(roomId: string, seq: number, event: RoomEvent, removedId?: string): void {
    const broadcast = new OutgoingBroadcast({ topic: roomTopic(roomId), event: event.type, payload: event })
    const parcel = { label: { stream: roomId, seq, removedId }, broadcast }
    if (this.#isAlone) this.#deliver(parcel)
    else this.#feeds.send([roomId], parcel, () => this.#deliver(parcel))
  }

  get #isAlone(): boolean {
    return this.#endpoint.nodes.backplane.isAlone
  }

  #isFed(topic: string): boolean {
    return !this.#isAlone && topic.startsWith(PREFIX)
  }

  #deliver({ label, broadcast }: Parcel<Label>): void {
    const topic = roomTopic(label.stream)
    this.#endpoint.pubsub.deliver(topic, broadcast)
    if (label.removedId !== undefined) this.#endpoint.closeChannels(topic, label.removedId)
  }

  async #catchUp(roomId: string, after: number | undefined): Promise<Reading> {
    if (after === undefined) return this.#latest(roomId)
    const { pubsub } = this.#endpoint
    const topic = roomTopic(roomId)
    const userIds = [...new Set([...pubsub.subscribers(topic)].map(({ userId }) => userId))]
    const missed = await this.#store.missed(roomId, after, userIds)
    if (!missed) return NO_ROOM
    const { upTo, isLast, memberIds, events } = missed
    const deliver = () => {
      for (const userId of userIds) if (!memberIds.has(userId)) this.#endpoint.closeChannels(topic, userId)
      for (const event of events) pubsub.broadcastHere(topic, event.type, event)
    }
    return { upTo, isLast, deliver }
  }

  /** Where a room stands that was not followed: whoever is there came after all that, and has read it, or may. */
  async #latest(roomId: string): Promise<Reading> {
    const [position] = (await this.#store.positions([roomId])).get(roomId) ?? []
    return position ? { upTo: position[1], isLast: true, deliver: () => {} } : NO_ROOM
  }
}

const NO_ROOM: Reading = { upTo: undefined, isLast: true, deliver: () => {} }
