import type { Conversation, ConversationDetails } from '../domain/conversations.ts'
import type { Message } from '../domain/messages.ts'
import type { Page } from '../domain/pagination.ts'
import type { Dialect } from './dialect.ts'
import { messageView } from './messages.ts'
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

/** The reply to joining `conversation:<id>`. */
export function openConversationView(
  dialect: Dialect,
  details: ConversationDetails,
  latest: Page<Message>,
  userId: string,
) {
  return {
    conversation: conversationView(dialect, details.conversation),
    users: details.users.map(userSummaryView),
    messages: dialect.page(latest, (message) => messageView(dialect, message)),
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
