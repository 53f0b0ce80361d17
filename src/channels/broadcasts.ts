import type { Started } from '../domain/conversations.ts'
import type { EventBus, MessageChange } from '../domain/events.ts'
import { newConversationView } from '../views/conversations.ts'
import type { Dialect } from '../views/dialect.ts'
import { deletionView, messageEventView } from '../views/messages.ts'
import type { ConversationFeeds } from './conversation-feeds.ts'
import { conversationTopic, userTopic } from './topics.ts'

/** Brings what is committed in conversations to their members. */
export class Broadcasts {
  readonly #feeds: ConversationFeeds
  readonly #dialect: Dialect

  constructor(feeds: ConversationFeeds, events: EventBus, dialect: Dialect) {
    this.#feeds = feeds
    this.#dialect = dialect
    events.on('message_sent', (change) => this.#toRecipients('new_message', change, change.seq))
    events.on('message_edited', (change) => {
      this.#toRecipients('edit_message', change, change.editSeq, { seq: change.editSeq })
    })
    events.on('message_deleted', ({ conversationId, groupId, seq, memberIds: userIds }) => {
      const payload = deletionView(groupId, seq)
      const topic = conversationTopic(conversationId)
      feeds.send({ conversationId, seq, topic, userIds, event: 'delete_message', payload })
    })
    events.on('member_left', ({ conversationId, userId: leaverId, seq, memberIds: userIds }) => {
      const place = seq === null ? { seq: 0, isUnordered: true } : { seq }
      const told = { topic: conversationTopic(conversationId), event: 'leave_conversation', leaverId }
      feeds.send({ conversationId, ...place, ...told, userIds, payload: { user_id: leaverId } })
    })
  }

  /** Tells every member of a conversation that it is new, or changed. @returns its id. */
  newConversation({ conversation, memberIds, lastSeq: seq }: Started): string {
    const payload = newConversationView(this.#dialect, conversation, memberIds)
    const conversationId = conversation.id
    for (const userId of memberIds) {
      const to = { topic: userTopic(userId), userIds: [userId] }
      this.#feeds.send({ conversationId, seq, ...to, event: 'new_conversation', payload, isUnordered: true })
    }
    return conversationId
  }

  #toRecipients(event: string, change: MessageChange, place: number, more?: { seq: number }): void {
    const { conversationId } = change
    for (const copy of change.copies) {
      const { recipientId } = copy
      const payload = { ...messageEventView(this.#dialect, change, copy), ...more }
      const to = { topic: userTopic(recipientId), userIds: [recipientId] }
      this.#feeds.send({ conversationId, seq: place, ...to, event, payload })
    }
  }
}
