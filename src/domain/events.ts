import type { RoomMessage } from '../db/queries/room-messages.ts'
import type { RoomUser } from '../db/queries/rooms.ts'

/** What the rest of the server may want to know after it is committed. Nothing is emitted inside a transaction. */
export interface DomainEvents {
  /** Sessions have ended: their sockets must close. */
  sessions_revoked: {
    sessionIds: string[]
    /** Whether that was done on this node; otherwise it was found in the database. */
    isHere: boolean
  }
  /** A user asked to be hidden, or seen again. */
  hidden_changed: { userId: string; hidden: boolean }
  message_sent: MessageChange
  message_edited: MessageChange & { editSeq: number }
  /** `memberIds`: whom it concerns, the members at that moment. */
  message_deleted: { conversationId: string; groupId: string; seq: number; memberIds: string[] }
  /** `memberIds`: the members until then, the leaver included. */
  /** `seq` is null when the answer to the commit was lost, and its place with it. */
  member_left: { conversationId: string; userId: string; seq: number | null; memberIds: string[] }
  room_message: RoomMessage
  room_member_added: { roomId: string } & RoomUser
  room_member_removed: { roomId: string; seq: number } & RoomUser
  /** How many members of a room are connected to it has changed. Every node emits it for itself. */
  room_online: { roomId: string; count: number }
  room_typing: { roomId: string; username: string; isTyping: boolean }
  /** Someone was typing when their node went away. Every node that is left emits it for itself. */
  room_typist_lost: { roomId: string; username: string }
}

/** A message with the encrypted copy of each recipient. Times are milliseconds since the epoch. */
export interface MessageChange {
  conversationId: string
  groupId: string
  senderId: string
  /** The place of its sending in the conversation's order. */
  seq: number
  insertedAt: number
  updatedAt: number
  copies: { id: string; recipientId: string; content: string }[]
}

type Listener<T> = (event: T) => void

/**
 * Carries domain events to their listeners, in order and at once. What has happened cannot be undone by a listener that
 * throws: its error is reported, and the others hear the event all the same.
 */
export class EventBus {
  readonly #report: (error: unknown, event: keyof DomainEvents) => void
  readonly #listeners: { [K in keyof DomainEvents]?: Listener<DomainEvents[K]>[] } = {}

  constructor(report: (error: unknown, event: keyof DomainEvents) => void) {
    this.#report = report
  }

  on<K extends keyof DomainEvents>(name: K, listener: Listener<DomainEvents[K]>): void {
    this.#listeners[name] ??= []
    const listeners: Listener<DomainEvents[K]>[] = this.#listeners[name]
    listeners.push(listener)
  }

  emit<K extends keyof DomainEvents>(name: K, event: DomainEvents[K]): void {
    for (const listener of this.#listeners[name] ?? []) {
      try {
        listener(event)
      } catch (error) {
        this.#report(error, name)
      }
    }
  }
}
