import type { ConversationSnapshot, EventBus, MessageChange } from '../../domain/shared/events.ts'
import { EncodedJson } from '../../realtime/outgoing-broadcast.ts'
import type { Endpoint } from '../../realtime/socket/endpoint.ts'
import { conversationTopic, userTopic } from '../../topics.ts'
import { aliasView, newConversationView } from '../../views/conversations.ts'
import type { Dialect } from '../../views/dialect.ts'
import { deletionView, messageEvents } from '../../views/messages.ts'
import type { StreamDelivery } from './stream-delivery.ts'

/** Broadcasts the committed changes of conversations to their members. */
export function broadcastConversationEvents(
  endpoint: Endpoint,
  delivery: StreamDelivery,
  events: EventBus,
  dialect: Dialect,
): void {
  const toRecipients = (event: string, change: MessageChange, seq: number, fields?: { seq: number }) => {
    const eventOf = messageEvents(dialect, change, fields)
    for (const copy of change.copies) {
      const { recipientId } = copy
      const to = { topic: userTopic(recipientId), owners: [recipientId] }
      delivery.send({
        stream: change.conversationId,
        seq,
        ...to,
        event,
        payload: () => new EncodedJson(eventOf(copy)),
      })
    }
  }
  const toMembers = (snapshot: ConversationSnapshot) => {
    const { conversation, memberIds, lastSeq: seq } = snapshot
    const payload = new EncodedJson(JSON.stringify(newConversationView(dialect, snapshot)))
    const what = {
      stream: conversation.id,
      seq,
      event: 'new_conversation',
      payload: () => payload,
      isUnordered: true,
    }
    for (const userId of memberIds) {
      delivery.send({ ...what, topic: userTopic(userId), owners: [userId] })
    }
  }
  // Changes without a `seq`: a client that misses one receives the current state when it joins again.
  const toTopic = (conversationId: string, event: string, payload: unknown) => {
    endpoint.pubsub.broadcast(conversationTopic(conversationId), event, payload)
  }

  events.on('message_sent', (change) => toRecipients('new_message', change, change.seq))
  events.on('message_edited', (change) => {
    toRecipients('edit_message', change, change.editSeq, { seq: change.editSeq })
  })
  events.on('message_deleted', ({ conversationId: stream, groupId, seq, memberIds: owners }) => {
    const payload = deletionView(groupId, seq)
    const topic = conversationTopic(stream)
    delivery.send({ stream, seq, owners, topic, event: 'delete_message', payload: () => payload })
  })
  events.on('member_left', ({ conversationId: stream, userId: evictedId, seq, memberIds: owners }) => {
    const what = { event: 'leave_conversation', payload: () => ({ user_id: evictedId }), evictedId }
    delivery.send({ stream, seq, owners, topic: conversationTopic(stream), ...what })
  })
  events.on('conversation_started', toMembers)
  events.on('conversation_modified', toMembers)
  events.on('alias_changed', ({ conversation }) =>
    toTopic(conversation.id, 'update_alias', aliasView(dialect, conversation)),
  )
  events.on('conversation_read', ({ conversationId, userId, readSeq }) =>
    toTopic(conversationId, 'read_conversation', { user_id: userId, read_seq: readSeq }),
  )
  events.on('keys_changed', ({ conversationId, userId, publicKey }) =>
    toTopic(conversationId, 'set_encryption_keys', { user_id: userId, public_key: publicKey }),
  )
}
