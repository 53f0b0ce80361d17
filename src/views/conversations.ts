import type {
  Conversation,
  ConversationDetails,
  ListedConversation,
} from '../domain/conversations/conversations.ts'
import type { CatchUpResult, Message } from '../domain/conversations/messages.ts'
import type { ConversationSnapshot } from '../domain/shared/events.ts'
import type { Page } from '../domain/shared/pagination.ts'
import { accountKeysView } from './account-keys.ts'
import type { Dialect } from './dialect.ts'
import { caughtUpView, messageView } from './messages.ts'
import { userSummaryView } from './users.ts'

/** A conversation in lists, events and the reply to a join. */
export function conversationView(dialect: Dialect, conversation: Conversation) {
  return {
    id: conversation.id,
    private: conversation.private,
    alias: conversation.alias,
    inserted_at: dialect.time(conversation.insertedAt),
    updated_at: dialect.time(conversation.updatedAt),
  }
}

/** `new_conversation`: a conversation that is new to a member, or whose members or alias changed. */
export function newConversationView(
  dialect: Dialect,
  { conversation, memberIds, accountKeys }: Omit<ConversationSnapshot, 'lastSeq'>,
) {
  return {
    conversation: conversationView(dialect, conversation),
    user_ids: memberIds,
    ...(accountKeys && { account_keys: accountKeysView(accountKeys) }),
  }
}

/** `update_alias`: a conversation whose alias changed. */
export function aliasView(dialect: Dialect, conversation: Conversation) {
  return { conversation: conversationView(dialect, conversation) }
}

/** A conversation in the list of one of its members, with their read position. `unread` is present when it was counted. */
export function listedConversationView(
  dialect: Dialect,
  conversation: Omit<ListedConversation, 'unread'> & { unread?: number },
) {
  const { lastSeq, readSeq, unread } = conversation
  return {
    ...conversationView(dialect, conversation),
    last_seq: lastSeq,
    read_seq: readSeq,
    ...(unread !== undefined && { unread }),
  }
}

/** The reply to joining `conversation:<id>`, with the newest messages, or with the changes after `after_seq`. */
export function openConversationView(
  dialect: Dialect,
  details: ConversationDetails,
  messageState: Page<Message> | CatchUpResult,
  userId: string,
) {
  const messages = (page: Page<Message>) => ({
    messages: dialect.page(page, (message) => messageView(dialect, message)),
  })
  return {
    conversation: conversationView(dialect, details.conversation),
    users: details.users.map(userSummaryView),
    last_seq: details.lastSeq,
    ...('recovered' in messageState ? caughtUpView(dialect, messageState, messages) : messages(messageState)),
    unread: details.unread,
    read_seq: details.readSeqs.get(userId),
    read_seqs: Object.fromEntries(details.readSeqs),
    read_times: mapValues(details.readTimes, (time) => time && dialect.time(time)),
    public_keys: publicKeysView(dialect, details.publicKeys),
    account_keys: accountKeysView(details.accountKeys),
    private_key: details.privateKey && dialect.storedKey(details.privateKey, 'private', userId),
  }
}

/** The public keys of the members: those they have set for the conversation, and those of their accounts. */
export function conversationKeysView(dialect: Dialect, { publicKeys, accountKeys }: ConversationDetails) {
  return {
    public_keys: publicKeysView(dialect, publicKeys),
    account_keys: accountKeysView(accountKeys),
  }
}

function publicKeysView(dialect: Dialect, keys: ConversationDetails['publicKeys']) {
  return mapValues(keys, (key, owner) => dialect.storedKey(key, 'public', owner))
}

function mapValues<T, View>(
  map: Map<string, T>,
  view: (value: T, key: string) => View,
): Record<string, View> {
  return Object.fromEntries([...map].map(([key, value]) => [key, view(value, key)]))
}
