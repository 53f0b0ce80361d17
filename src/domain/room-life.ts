import type { Clock } from '../clock.ts'
import type { Attendance, AttendanceChange } from './attendance.ts'
import type { EventBus } from './events.ts'
import { type Typist, Typists } from './typists.ts'

/** A member who is connected to a room. */
export interface Visitor {
  roomId: string
  userId: string
  username: string
}

interface RoomLifeTools {
  clock: Clock
  events: EventBus
  /** Who is connected to which room. */
  visits: Attendance
  /** Who is typing in which room. */
  typing: Attendance
}

/** What goes on in rooms beside the messages, and is kept nowhere: who is there, and who is typing. */
export class RoomLife {
  readonly #events: EventBus
  readonly #visits: Attendance
  readonly #typists: Typists<Typist & Visitor>
  /** The connections of each user to this node, by room. */
  readonly #connections = new Map<string, Map<string, { count: number; ref: string }>>()
  /** How many nodes each user is connected to, by room. */
  readonly #present = new Map<string, Map<string, number>>()

  constructor({ clock, events, visits, typing }: RoomLifeTools) {
    this.#events = events
    this.#visits = visits
    visits.onChange((change) => this.#follow(change))
    this.#typists = new Typists(clock, typing, {
      tell: ({ roomId, username }, isTyping) => events.emit('room_typing', { roomId, username, isTyping }),
      tellLost: ({ roomId, username }) => events.emit('room_typist_lost', { roomId, username }),
    })
  }

  /** How many members are in a room, on all nodes, each counted once. */
  count(roomId: string): number {
    return this.#present.get(roomId)?.size ?? 0
  }

  /** One more connection of a member. @returns whether it changed their number, which was told. */
  enter({ roomId, userId }: Visitor): boolean {
    const connections = this.#connections.get(roomId) ?? new Map<string, { count: number; ref: string }>()
    this.#connections.set(roomId, connections)
    const own = connections.get(userId)
    if (own) {
      own.count++
      return false
    }
    const before = this.count(roomId)
    connections.set(userId, { count: 1, ref: this.#visits.track(roomId, userId, null) })
    return this.count(roomId) !== before
  }

  /** One connection less. Whoever has none left on this node has stopped typing. */
  leave(visitor: Visitor): void {
    const { roomId, userId } = visitor
    const connections = this.#connections.get(roomId)
    const own = connections?.get(userId)
    if (!connections || !own) return
    own.count--
    if (own.count > 0) return
    connections.delete(userId)
    if (connections.size === 0) this.#connections.delete(roomId)
    if (this.#typists.has(typistOf(visitor))) this.#typists.finish(typistOf(visitor))
    this.#visits.untrack(roomId, own.ref)
  }

  type(visitor: Visitor, isTyping: boolean): void {
    if (isTyping) this.#typists.start(typistOf(visitor))
    else this.#typists.finish(typistOf(visitor))
  }

  stop(): void {
    this.#typists.stop()
  }

  #follow({ group: roomId, joins, leaves }: AttendanceChange): void {
    const present = this.#present.get(roomId) ?? new Map<string, number>()
    const before = present.size
    for (const { key } of joins) present.set(key, (present.get(key) ?? 0) + 1)
    for (const { key } of leaves) {
      const nodes = (present.get(key) ?? 0) - 1
      if (nodes > 0) present.set(key, nodes)
      else present.delete(key)
    }
    if (present.size) this.#present.set(roomId, present)
    else this.#present.delete(roomId)
    if (present.size !== before) this.#events.emit('room_online', { roomId, count: present.size })
  }
}

function typistOf(visitor: Visitor): Typist & Visitor {
  return { ...visitor, place: visitor.roomId }
}
