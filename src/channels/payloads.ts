import { Type } from 'typebox'
import { Text, Uuid } from '../validation.ts'

/** A key the client made, kept as it came: any JSON object (a JWK, RFC 7517). */
const Key = Type.Record(Type.String(), Type.Unknown())

/** A member's key pair for one conversation. */
export const KeyPair = { public_key: Key, private_key: Key }

/** Users a conversation is started with or extended by; which of them exist is a rule, not a form. */
export const UserIds = Type.Array(Type.String(), { maxItems: 10_000 })

/** A group's name: at most 100 characters; empty and null clear it. */
export const Alias = Type.Union([Text({ maxLength: 100 }), Type.Null()])

/** A message encrypted once for each member, keyed by their id. */
export const EncryptedMessages = Type.Record(Type.String(), Type.String())

/** The sender's own name for a message, by which one that is sent again is known. */
export const ClientMessageId = Type.Optional(Uuid())
