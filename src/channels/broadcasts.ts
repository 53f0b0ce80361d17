import type { Started } from '../domain/conversations.ts'
import type { EventBus, MessageChange } from '../domain/events.ts'
import type { Endpoint } from '../realtime/endpoint.ts'
import { newConversationView } from '../views/conversations.ts'
import type { Dialect } from '../views/dialect.ts'
import { deletionView, messageEventView } from '../views/messages.ts'
import { conversationTopic, userTopic } from './topics.ts'
import type { Visibility } from './visibility.ts'

/** Brings what the domain has committed to the sockets it concerns. */
export class Broadcasts {
  readonly #endpoint: Endpoint
  readonly #dialect: Dialect

  constructor(endpoint: Endpoint, events: EventBus, dialect: Dialect, visibility: Visibility) {
    this.#endpoint = endpoint
    this.#dialect = dialect
    events.on('message_sent', (change) => this.#toRecipients('new_message', change))
    events.on('message_edited', (change) =>
      this.#toRecipients('edit_message', change, { seq: change.editSeq }),
    )
    events.on('message_deleted', ({ conversationId, groupId, seq }) => {
      this.#toConversation(conversationId, 'delete_message', deletionView(groupId, seq))
    })
    events.on('member_left', ({ conversationId, userId }) => {
      this.#toConversation(conversationId, 'leave_conversation', { user_id: userId })
      endpoint.closeChannels(conversationTopic(conversationId), userId)
    })
    events.on('hidden_changed', ({ userId, hidden }) => visibility.setHidden(userId, hidden))
    events.on('sessions_revoked', ({ sessionIds }) => {
      const revoked = new Set(sessionIds)
      endpoint.disconnect((identity) => revoked.has(identity.sessionId))
    })
  }

  /** Tells every member of a conversation that it is new, or changed. @returns its id. */
  newConversation({ conversation, memberIds }: Started): string {
    const payload = newConversationView(this.#dialect, conversation, memberIds)
    for (const userId of memberIds)
      this.#endpoint.pubsub.broadcast(userTopic(userId), 'new_conversation', payload)
    return conversation.id
  }

  #toRecipients(event: string, change: MessageChange, more?: { seq: number }): void {
    for (const copy of change.copies) {
      const payload = { ...messageEventView(this.#dialect, change, copy), ...more }
      this.#endpoint.pubsub.broadcast(userTopic(copy.recipientId), event, payload)
    }
  }

  #toConversation(id: string, event: string, payload: unknown): void {
    this.#endpoint.pubsub.broadcast(conversationTopic(id), event, payload)
  }
}
