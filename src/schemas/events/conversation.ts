import { Type } from 'typebox'
import {
  Alias,
  Attachments,
  ClientMessageId,
  EncryptedMessages,
  KeyPair,
  MessageGroupId,
  ReturnSeq,
  Shared,
  UserIds,
} from './fields.ts'

const Seq = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description })

/** The payload of a join of `conversation:<id>`. */
export const JoinConversation = Type.Object({
  after_seq: Type.Optional(
    Seq('The `seq` up to which the client knows the conversation: the reply has what came later.'),
  ),
})

/** What a member pushes to `conversation:<id>`, by event. */
export const ConversationPushes = {
  change_alias: Type.Object({ alias: Alias }),
  leave_conversation: Type.Object({}),
  send_message: Type.Object({
    encrypted_messages: EncryptedMessages,
    shared: Shared,
    attachments: Attachments,
    client_message_id: ClientMessageId,
  }),
  edit_message: Type.Object({
    message_group_id: MessageGroupId,
    encrypted_messages: EncryptedMessages,
    shared: Shared,
    attachments: Attachments,
    return_seq: ReturnSeq,
  }),
  delete_message: Type.Object({ message_group_id: MessageGroupId, return_seq: ReturnSeq }),
  start_typing: Type.Object({}),
  finish_typing: Type.Object({}),
  read_conversation: Type.Object({ seq: Type.Optional(Seq('Up to which `seq` the user has read.')) }),
  modify_conversation: Type.Object({ new_members: UserIds, alias: Type.Optional(Alias) }),
  set_encryption_keys: Type.Object(KeyPair),
}
