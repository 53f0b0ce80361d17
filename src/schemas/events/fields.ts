import { Type } from 'typebox'
import { Text, Uuid } from '../fields.ts'

/** A key made by the client, stored unchanged: any JSON object (a JWK, RFC 7517). */
const Key = (description: string) => Type.Record(Type.String(), Type.Unknown(), { description })

/** A member's key pair for one conversation. */
export const KeyPair = {
  public_key: Key('A JWK of at most 16 KiB and eight levels.'),
  private_key: Key('The same, with its secret fields encrypted by the client.'),
}

/** The same where they may be absent: an account with a key set needs none of the conversation. */
export const OptionalKeyPair = {
  public_key: Type.Optional(KeyPair.public_key),
  private_key: Type.Optional(KeyPair.private_key),
}

/** Users to start a conversation with, or to add to one. Whether they exist is checked later. */
export const UserIds = Type.Array(Type.String(), {
  maxItems: 10_000,
  description: 'Ids of users. Naming one twice, or a present member, has no effect.',
})

/** A group's name: at most 100 characters; empty and null clear it. */
export const Alias = Type.Union([Text({ maxLength: 100 }), Type.Null()], {
  description: 'The name of a group. Empty and null remove it.',
})

/** A message encrypted once for each member, keyed by their id. */
export const EncryptedMessages = Type.Record(Type.String(), Type.String(), {
  description: 'One copy of at most 64 KiB for each member, the sender included, by user id.',
})

/** A ciphertext that all copies of a message refer to. It is stored and sent to each member once. */
export const Shared = Type.Optional(
  Type.String({ description: 'A ciphertext of at most 64 KiB that the copies of all members refer to.' }),
)

/** Uploads that a message binds. Whether they exist is checked later. */
export const Attachments = Type.Optional(
  Type.Array(Text({ maxLength: 100 }), {
    maxItems: 16,
    description: 'The ids of own complete uploads, which become the attachments of the message.',
  }),
)

/** Whether the reply to a change has its `seq`. */
export const ReturnSeq = Type.Optional(
  Type.Boolean({ description: 'Asks for the `seq` of the change in the reply.' }),
)

/** The id of a message. Whether it exists is checked later. */
export const MessageGroupId = Text({ maxLength: 100, description: 'The `message_group` of the message.' })

/** The client's own id for a message: a message that is sent again with the same id is stored once. */
export const ClientMessageId = Type.Optional(
  Uuid({ description: 'Makes it safe to send the message again: it is stored once.' }),
)

/** The response of most ok replies. */
export const MessageSent = Type.Literal('message_sent')
