import { type Static, Type } from 'typebox'
import { eventComponent } from '../components.ts'
import { Id } from '../fields.ts'
import type { ConversationPushes } from './conversation.ts'
import { MessageSent } from './fields.ts'
import { ChangedMessage, DeleteMessageEvent, SentMessage } from './messages.ts'
import { ConversationSummary } from './objects.ts'

/** `update_alias`: the conversation has another name. */
export const UpdateAliasEvent = eventComponent(
  'UpdateAliasEvent',
  Type.Object({ conversation: ConversationSummary }),
)
export type UpdateAliasEvent = Static<typeof UpdateAliasEvent>

/** `leave_conversation`: a member has left. */
export const LeaveConversationEvent = eventComponent('LeaveConversationEvent', Type.Object({ user_id: Id }))
export type LeaveConversationEvent = Static<typeof LeaveConversationEvent>

/** `start_typing` and `finish_typing`. */
export const TypingEvent = eventComponent('TypingEvent', Type.Object({ user_id: Id }))
export type TypingEvent = Static<typeof TypingEvent>

/** `read_conversation`: a member has read further. */
export const ReadConversationEvent = eventComponent(
  'ReadConversationEvent',
  Type.Object({
    user_id: Id,
    read_seq: Type.Integer({ description: 'The `seq` up to which the member has read.' }),
  }),
)
export type ReadConversationEvent = Static<typeof ReadConversationEvent>

/** `set_encryption_keys`: a member has set a key for the conversation. */
export const SetEncryptionKeysEvent = eventComponent(
  'SetEncryptionKeysEvent',
  Type.Object({
    user_id: Id,
    public_key: Type.Unsafe<Record<string, unknown>>({
      type: 'object',
      description: 'A JWK, as its owner sent it, in both dialects.',
    }),
  }),
)
export type SetEncryptionKeysEvent = Static<typeof SetEncryptionKeysEvent>

/** What the server sends on `conversation:<id>`, by event. */
export const ConversationEvents = {
  update_alias: UpdateAliasEvent,
  leave_conversation: LeaveConversationEvent,
  delete_message: DeleteMessageEvent,
  start_typing: TypingEvent,
  finish_typing: TypingEvent,
  read_conversation: ReadConversationEvent,
  set_encryption_keys: SetEncryptionKeysEvent,
}

/** The response of an ok reply to each push to `conversation:<id>`. */
export const ConversationReplies = {
  change_alias: MessageSent,
  leave_conversation: MessageSent,
  send_message: Type.Union([MessageSent, SentMessage]),
  edit_message: Type.Union([MessageSent, ChangedMessage]),
  delete_message: Type.Union([MessageSent, ChangedMessage]),
  start_typing: MessageSent,
  finish_typing: MessageSent,
  read_conversation: MessageSent,
  modify_conversation: MessageSent,
  set_encryption_keys: MessageSent,
} satisfies Record<keyof typeof ConversationPushes, unknown>
