import type { MessageChange } from '../domain/events.ts'
import type { Message } from '../domain/messages.ts'
import type { Dialect } from './dialect.ts'

/** One recipient's copy of a message. */
export function messageView(dialect: Dialect, message: Message) {
  return {
    id: message.id,
    sender: message.senderId,
    content: message.content,
    inserted_at: dialect.time(message.insertedAt),
    updated_at: dialect.time(message.updatedAt),
    message_group: message.groupId,
    seq: message.seq,
  }
}

/** `new_message` and `edit_message`, as the recipient of one copy sees them. */
export function messageEventView(
  dialect: Dialect,
  change: MessageChange,
  copy: MessageChange['copies'][number],
) {
  return {
    conversation_id: change.conversationId,
    message: messageView(dialect, { ...change, id: copy.id, content: copy.content }),
  }
}
