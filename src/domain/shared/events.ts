import type { AccountPublicKeys } from '../../db/queries/account-keys/key-sets.ts'
import type { Conversation } from '../../db/queries/conversations/conversations.ts'
import type { RoomMessage } from '../../db/queries/rooms/room-messages.ts'
import type { RoomUser } from '../../db/queries/rooms/rooms.ts'

/** Domain events by name, with their payloads. Events about stored data are emitted after the commit. */
export interface DomainEvents {
  sessions_revoked: {
    sessionIds: string[]
    /** Whether this node revoked them. Otherwise it found the revocation in the database. */
    isHere: boolean
    /** Whether the session signed out by itself. Always false for revocations that were found in the database. */
    isSignOut: boolean
  }
  hidden_changed: { userId: string; hidden: boolean }
  display_name_changed: { userId: string; displayName: string }
  conversation_started: ConversationSnapshot
  /** Members were added, or the alias was changed with the same command. */
  conversation_modified: ConversationSnapshot
  alias_changed: { conversation: Conversation }
  conversation_read: { conversationId: string; userId: string; readSeq: number }
  /** A member stored their keys; the public one as the client sent it. */
  keys_changed: { conversationId: string; userId: string; publicKey: Record<string, unknown> }
  /** A user stored a key set of their account. `contactIds` are the others in their conversations. */
  account_keys_changed: { userId: string; version: number; thumbprint: string; contactIds: string[] }
  message_sent: MessageChange
  message_edited: MessageChange & { editSeq: number }
  /** `memberIds` are the members at the time of the deletion. */
  message_deleted: { conversationId: string; groupId: string; seq: number; memberIds: string[] }
  /** Attachments are to be deleted, with their messages or their conversation. */
  attachments_released: Record<string, never>
  /**
   * `memberIds` are the members before, including the one who left. `seq` is null when the reply to the commit was lost.
   */
  member_left: { conversationId: string; userId: string; seq: number | null; memberIds: string[] }
  room_message: RoomMessage
  room_member_added: { roomId: string } & RoomUser
  /** `seq` is null when the reply to the commit was lost. */
  room_member_removed: { roomId: string; seq: number | null } & RoomUser
  /** The number of members connected to a room changed. Not stored: each node computes and emits it for its own clients. */
  room_online: { roomId: string; count: number }
  /** Not stored: emitted on the node of the participant alone. */
  room_typing: { roomId: string; username: string; isTyping: boolean }
  /** Someone was typing when their node failed. Not stored: each remaining node emits it for its own clients. */
  room_typing_lost: { roomId: string; username: string }
}

/** A conversation and its members after a change. */
export interface ConversationSnapshot {
  conversation: Conversation
  memberIds: string[]
  /** The keys of the accounts of members, by user id; undefined in a large group. */
  accountKeys?: ReadonlyMap<string, AccountPublicKeys> | undefined
  /** The `seq` of the latest change of the conversation. */
  lastSeq: number
}

/** A message with the encrypted copy of each recipient. Times are milliseconds since the epoch, with the microseconds as a fraction. */
export interface MessageChange {
  conversationId: string
  groupId: string
  senderId: string
  /** The position of the message in the conversation's order of changes; an edit does not change it. */
  seq: number
  insertedAt: number
  updatedAt: number
  copies: { id: string; recipientId: string; content: string }[]
  /** The ciphertext that all copies refer to; null if there is none. */
  shared: string | null
}

type Listener<T> = (event: T) => void

/**
 * Carries domain events to their listeners, synchronously and in the order of the calls.
 *
 * It is the only way by which a committed change reaches clients: a service emits the event after the commit, and
 * `channels/delivery` turns it into broadcasts. The change therefore reaches clients whoever made it (a socket, an HTTP
 * route, a background job), services do not depend on topics and wire formats, and since the event is emitted before the
 * service's promise resolves, the broadcast is written before the reply to the command.
 *
 * A listener that throws cannot undo the change: the error is reported, and the other listeners still get the event.
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
