import type { Conversation, ConversationDetails, ListedConversation } from '../domain/conversations.ts'
import type { CaughtUp, Message } from '../domain/messages.ts'
import type { Page } from '../domain/pagination.ts'
import type { Dialect } from './dialect.ts'
import { caughtUpView, messageView } from './messages.ts'
import { userSummaryView } from './users.ts'

/** A conversation, as lists, events and the reply to a join show it. */
export function conversationView(dialect: Dialect, conversation: Conversation) {
  return {
    id: conversation.id,
    private: conversation.private,
    alias: conversation.alias,
    inserted_at: dialect.time(conversation.insertedAt),
    updated_at: dialect.time(conversation.updatedAt),
  }
}

/** `new_conversation`: a conversation that is new to someone, or whose members or alias changed. */
export function newConversationView(dialect: Dialect, conversation: Conversation, memberIds: string[]) {
  return { conversation: conversationView(dialect, conversation), user_ids: memberIds }
}

/** A conversation as lists show it to one of its members: with what they have read. */
export function listedConversationView(dialect: Dialect, conversation: ListedConversation) {
  const { lastSeq, readSeq, unread } = conversation
  return {
    ...conversationView(dialect, conversation),
    last_seq: lastSeq,
    read_seq: readSeq,
    unread,
  }
}

/** The reply to joining `conversation:<id>`: `past` is the newest messages, or what was missed since the place that was named. */
export function openConversationView(
  dialect: Dialect,
  details: ConversationDetails,
  past: Page<Message> | CaughtUp,
  userId: string,
) {
  const messages = (page: Page<Message>) => ({
    messages: dialect.page(page, (message) => messageView(dialect, message)),
  })
  return {
    conversation: conversationView(dialect, details.conversation),
    users: details.users.map(userSummaryView),
    last_seq: details.lastSeq,
    ...('recovered' in past ? caughtUpView(dialect, past, messages) : messages(past)),
    unread: details.unread,
    read_seq: details.readSeqs.get(userId),
    read_seqs: Object.fromEntries(details.readSeqs),
    read_times: mapValues(details.readTimes, (time) => time && dialect.time(time)),
    public_keys: mapValues(details.publicKeys, (key, owner) => dialect.storedKey(key, 'public', owner)),
    private_key: details.privateKey && dialect.storedKey(details.privateKey, 'private', userId),
  }
}

function mapValues<T>(
  map: Map<string, T>,
  view: (value: T, key: string) => unknown,
): Record<string, unknown> {
  return Object.fromEntries([...map].map(([key, value]) => [key, view(value, key)]))
}
