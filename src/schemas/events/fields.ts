import { Type } from 'typebox'
import { Text, Uuid } from '../fields.ts'

/** A key made by the client, stored unchanged: any JSON object (a JWK, RFC 7517). */
const Key = Type.Record(Type.String(), Type.Unknown())

/** A member's key pair for one conversation. */
export const KeyPair = { public_key: Key, private_key: Key }

/** Users to start a conversation with, or to add to one. Whether they exist is checked later. */
export const UserIds = Type.Array(Type.String(), { maxItems: 10_000 })

/** A group's name: at most 100 characters; empty and null clear it. */
export const Alias = Type.Union([Text({ maxLength: 100 }), Type.Null()])

/** A message encrypted once for each member, keyed by their id. */
export const EncryptedMessages = Type.Record(Type.String(), Type.String())

/** A ciphertext that all copies of a message refer to. It is stored and sent to each member once. */
export const Shared = Type.Optional(Type.String())

/** Asks for the `seq` of the change in the reply. */
export const ReturnSeq = Type.Optional(Type.Boolean())

/** The id of a message. Whether it exists is checked later. */
export const MessageGroupId = Text({ maxLength: 100 })

/** The client's own id for a message: a message that is sent again with the same id is stored once. */
export const ClientMessageId = Type.Optional(Uuid())

/** The response of most ok replies. */
export const MessageSent = Type.Literal('message_sent')
