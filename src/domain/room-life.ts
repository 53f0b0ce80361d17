import type { Clock } from '../clock.ts'
import type { EventBus } from './events.ts'
import { type Typist, Typists } from './typists.ts'

/** A member who is connected to a room. */
export interface Visitor {
  roomId: string
  userId: string
  username: string
}

/** What goes on in rooms beside the messages, and is kept nowhere: who is there, and who is typing. */
export class RoomLife {
  readonly #events: EventBus
  readonly #typists: Typists<Typist & Visitor>
  /** The connections of each user, by room. */
  readonly #visits = new Map<string, Map<string, number>>()

  constructor({ clock, events }: { clock: Clock; events: EventBus }) {
    this.#events = events
    this.#typists = new Typists(clock, ({ roomId, username }, isTyping) =>
      events.emit('room_typing', { roomId, username, isTyping }),
    )
  }

  /** How many members are in a room, each counted once. */
  count(roomId: string): number {
    return this.#visits.get(roomId)?.size ?? 0
  }

  /** One more connection of a member. @returns whether it is their first, which was told. */
  enter({ roomId, userId }: Visitor): boolean {
    const visits = this.#visits.get(roomId) ?? new Map<string, number>()
    const connections = visits.get(userId) ?? 0
    this.#visits.set(roomId, visits.set(userId, connections + 1))
    if (connections === 0) this.#tellCount(roomId)
    return connections === 0
  }

  /** One connection less. Whoever has none left has stopped typing. */
  leave(visitor: Visitor): void {
    const { roomId, userId } = visitor
    const visits = this.#visits.get(roomId)
    const connections = visits?.get(userId)
    if (!visits || !connections) return
    if (connections > 1) return void visits.set(userId, connections - 1)
    visits.delete(userId)
    if (visits.size === 0) this.#visits.delete(roomId)
    if (this.#typists.has(typistOf(visitor))) this.#typists.finish(typistOf(visitor))
    this.#tellCount(roomId)
  }

  type(visitor: Visitor, isTyping: boolean): void {
    if (isTyping) this.#typists.start(typistOf(visitor))
    else this.#typists.finish(typistOf(visitor))
  }

  stop(): void {
    this.#typists.stop()
  }

  #tellCount(roomId: string): void {
    this.#events.emit('room_online', { roomId, count: this.count(roomId) })
  }
}

function typistOf(visitor: Visitor): Typist & Visitor {
  return { ...visitor, place: visitor.roomId }
}
