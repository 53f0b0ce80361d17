import type { MessageChange } from '../domain/events.ts'
import type { CaughtUp, Change, Message, Sent } from '../domain/messages.ts'
import type { Page } from '../domain/pagination.ts'
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

/** The answer to a send under a name of its sender's, the first and every other time. */
export function sentView(dialect: Dialect, { groupId, seq, insertedAt }: Sent) {
  return { message_group: groupId, seq, inserted_at: dialect.time(insertedAt) }
}

/** A change that somebody missed, as the event that told it to those who were there. */
export function changeEventView(dialect: Dialect, conversationId: string, change: Change) {
  if (change.kind === 'deleted') {
    return { event: 'delete_message', payload: deletionView(change.groupId, change.place) }
  }
  const payload = { conversation_id: conversationId, message: messageView(dialect, change.message) }
  if (change.kind === 'sent') return { event: 'new_message', payload }
  return { event: 'edit_message', payload: { ...payload, seq: change.place } }
}

/** `delete_message`: which message is gone, and the place of its deletion. */
export function deletionView(groupId: string, seq: number) {
  return { message_group_id: groupId, seq }
}

/** What somebody missed: the changes, or what `page` makes of the newest messages. */
export function caughtUpView(
  dialect: Dialect,
  caughtUp: CaughtUp,
  page: (latest: Page<Message>) => Record<string, unknown>,
) {
  const { conversationId, recovered, lastSeq } = caughtUp
  const missed = recovered
    ? { changes: caughtUp.changes.map((change) => changeEventView(dialect, conversationId, change)) }
    : page(caughtUp.latest)
  return { recovered, last_seq: lastSeq, ...missed }
}
