import type {
  CatchUpResult,
  Change,
  ChangedMessage,
  Message,
  SentMessage,
} from '../domain/conversations/messages.ts'
import type { MessageChange } from '../domain/shared/events.ts'
import type { Page } from '../domain/shared/pagination.ts'
import type { Dialect } from './dialect.ts'

/** One recipient's copy of a message. */
export function messageView(dialect: Dialect, message: Message) {
  return {
    id: message.id,
    sender: message.senderId,
    content: message.content,
    ...(message.shared !== null && { shared: message.shared }),
    inserted_at: dialect.time(message.insertedAt),
    updated_at: dialect.time(message.updatedAt),
    message_group: message.groupId,
    seq: message.seq,
  }
}

/**
 * `new_message` and `edit_message` in JSON, for the recipient of each copy. Groups have hundreds of them, so what all share is
 * encoded once.
 * @param fields further fields of the event.
 */
export function messageEvents(
  dialect: Dialect,
  change: MessageChange,
  fields?: { seq: number },
): (copy: MessageChange['copies'][number]) => string {
  const { id: _id, content: _content, ...common } = messageView(dialect, { ...change, id: '', content: '' })
  const event = JSON.stringify({ ...fields, conversation_id: change.conversationId }).slice(0, -1)
  const head = `${event},"message":${JSON.stringify(common).slice(0, -1)}`
  return ({ id, content }) => `${head},"id":"${id}","content":${JSON.stringify(content)}}}`
}

/** The reply to a send with a `client_message_id`: the same each time it is sent. */
export function sentView(dialect: Dialect, { groupId, seq, insertedAt }: SentMessage) {
  return { message_group: groupId, seq, inserted_at: dialect.time(insertedAt) }
}

/** The reply to an edit or deletion with `return_seq`. */
export function changedView({ groupId, seq }: ChangedMessage) {
  return { message_group: groupId, seq }
}

/** A missed change, in the form of the event that was published for it. */
export function changeEventView(dialect: Dialect, conversationId: string, change: Change) {
  if (change.kind === 'deleted') {
    return { event: 'delete_message', payload: deletionView(change.groupId, change.changeSeq) }
  }
  const payload = { conversation_id: conversationId, message: messageView(dialect, change.message) }
  if (change.kind === 'sent') return { event: 'new_message', payload }
  return { event: 'edit_message', payload: { ...payload, seq: change.changeSeq } }
}

/** `delete_message`: the deleted message, and the `seq` of its deletion. */
export function deletionView(groupId: string, seq: number) {
  return { message_group_id: groupId, seq }
}

/** The missed changes; or, when there are too many, the newest messages as formatted by `page`. */
export function caughtUpView(
  dialect: Dialect,
  caughtUp: CatchUpResult,
  page: (latest: Page<Message>) => Record<string, unknown>,
) {
  const { conversationId, recovered, lastSeq } = caughtUp
  const missed = recovered
    ? { changes: caughtUp.changes.map((change) => changeEventView(dialect, conversationId, change)) }
    : page(caughtUp.latest)
  return { recovered, last_seq: lastSeq, ...missed }
}
