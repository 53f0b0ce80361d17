export type { Account, AccountEvents } from './account.ts'
export type { FileDownload } from './attachments/download.ts'
export type { FileSource, NamedContent } from './attachments/file-source.ts'
export type { TransferOptions } from './attachments/transfer.ts'
export { register, resume, signIn } from './client.ts'
export type { ConnectionState } from './connection/connection.ts'
export type { Transport } from './connection/phoenix.ts'
export type { Problem, Verification } from './conversations/codec.ts'
export {
  type Content,
  type MessageContent,
  replyTo,
  type SendFilesOptions,
  type SendOptions,
} from './conversations/content.ts'
export type { Conversation } from './conversations/conversation.ts'
export type { ConversationEvents } from './conversations/conversation-events.ts'
export type {
  ConversationSummary,
  Conversations,
  ConversationsEvents,
} from './conversations/conversations.ts'
export type { Member } from './conversations/member.ts'
export type { Message, MessageBody } from './conversations/message.ts'
export type { AttachedFile } from './encryption/attachment.ts'
export { EncryptionError } from './encryption/errors.ts'
export {
  ConnectionError,
  KeysLockedError,
  ParleyError,
  RecipientsError,
  RejectedError,
  SignedOutError,
  type SignedOutReason,
} from './errors.ts'
export type { AccountKeys, OwnKeysEvents } from './keys/own-keys.ts'
export type { VerifiedContacts } from './keys/verified-contacts.ts'
export type { SentReply } from './outbox/entry.ts'
export {
  type CodeCredentials,
  type PasswordlessAccount,
  type PasswordlessSteps,
  passwordless,
} from './passwordless.ts'
export type { OnlineUsers, PresenceEvents } from './presence.ts'
export { describeProblem } from './problems.ts'
export type { Room, RoomEvents, RoomMediaOptions, RoomSendOptions } from './rooms/room.ts'
export type { RoomMessage } from './rooms/room-message.ts'
export type { RoomSummary, Rooms } from './rooms/rooms.ts'
export type { ClientOptions, Credentials, Registration } from './session/sign-in.ts'
export { indexedDbStore } from './stores/indexed-db.ts'
export { memoryStore } from './stores/memory.ts'
export type { Store, StoredEntry, StoredValue } from './stores/store.ts'
