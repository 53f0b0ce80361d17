import type { Clock } from '../../clock.ts'
import type { EventBus } from '../shared/events.ts'
import type { PresenceChange, PresenceTracker } from './presence-tracker.ts'
import { type TypingParticipant, TypingTracker } from './typing-tracker.ts'

/** A member who is connected to a room. */
export interface Participant {
  roomId: string
  userId: string
  username: string
}

interface RoomPresenceOptions {
  clock: Clock
  events: EventBus
  /** Tracks which users are connected to which room. */
  connected: PresenceTracker
  /** Tracks which users are typing in which room. */
  typing: PresenceTracker
}

/** Counts who is connected to rooms and tracks who is typing there. Nothing of it is stored. */
export class RoomPresence {
  readonly #events: EventBus
  readonly #connected: PresenceTracker
  readonly #typingTracker: TypingTracker<TypingParticipant & Participant>
  /** The connections of each user to this node, by room and user id. */
  readonly #connections = new Map<string, Map<string, { count: number; ref: string }>>()
  /** The number of nodes that each user is connected to, by room and user id. */
  readonly #nodeCounts = new Map<string, Map<string, number>>()

  constructor({ clock, events, connected, typing }: RoomPresenceOptions) {
    this.#events = events
    this.#connected = connected
    connected.onChange((change) => this.#apply(change))
    this.#typingTracker = new TypingTracker(clock, typing, {
      typingChanged: ({ roomId, username }, isTyping) =>
        events.emit('room_typing', { roomId, username, isTyping }),
      typingLost: ({ roomId, username }) => events.emit('room_typing_lost', { roomId, username }),
    })
  }

  /** The number of members connected to a room, on all nodes. A member with several connections counts once. */
  count(roomId: string): number {
    return this.#nodeCounts.get(roomId)?.size ?? 0
  }

  /** Adds a connection of a member. @returns whether the count changed; then `room_online` was emitted. */
  enter({ roomId, userId }: Participant): boolean {
    const connections = this.#connections.get(roomId) ?? new Map<string, { count: number; ref: string }>()
    this.#connections.set(roomId, connections)
    const own = connections.get(userId)
    if (own) {
      own.count++
      return false
    }
    const before = this.count(roomId)
    connections.set(userId, { count: 1, ref: this.#connected.track(roomId, userId, null) })
    return this.count(roomId) !== before
  }

  /** Removes a connection of a member. The last one on this node also ends their typing. */
  leave(participant: Participant): void {
    const { roomId, userId } = participant
    const connections = this.#connections.get(roomId)
    const own = connections?.get(userId)
    if (!connections || !own) return
    own.count--
    if (own.count > 0) return
    connections.delete(userId)
    if (connections.size === 0) this.#connections.delete(roomId)
    if (this.#typingTracker.has(typingParticipantOf(participant)))
      this.#typingTracker.finish(typingParticipantOf(participant))
    this.#connected.untrack(roomId, own.ref)
  }

  /** Starts or ends the typing of a member. */
  setTyping(participant: Participant, isTyping: boolean): void {
    if (isTyping) this.#typingTracker.start(typingParticipantOf(participant))
    else this.#typingTracker.finish(typingParticipantOf(participant))
  }

  stop(): void {
    this.#typingTracker.stop()
  }

  #apply({ group: roomId, joins, leaves }: PresenceChange): void {
    const nodeCounts = this.#nodeCounts.get(roomId) ?? new Map<string, number>()
    const before = nodeCounts.size
    for (const { key } of joins) nodeCounts.set(key, (nodeCounts.get(key) ?? 0) + 1)
    for (const { key } of leaves) {
      const remaining = (nodeCounts.get(key) ?? 0) - 1
      if (remaining > 0) nodeCounts.set(key, remaining)
      else nodeCounts.delete(key)
    }
    if (nodeCounts.size) this.#nodeCounts.set(roomId, nodeCounts)
    else this.#nodeCounts.delete(roomId)
    if (nodeCounts.size !== before) this.#events.emit('room_online', { roomId, count: nodeCounts.size })
  }
}

function typingParticipantOf(participant: Participant): TypingParticipant & Participant {
  return { ...participant, group: participant.roomId }
}
