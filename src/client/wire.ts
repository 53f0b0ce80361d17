import type { Static, TSchema } from 'typebox'
import type {
  KeyHistory as KeyHistorySchema,
  KeySet as KeySetSchema,
  QueriedKeysList as QueriedKeysListSchema,
} from '../schemas/account-keys.ts'
import type { RefreshedSession, SignIn } from '../schemas/accounts.ts'
import type {
  ConversationPage as ConversationPageSchema,
  Conversation as ConversationSchema,
  Message as MessageSchema,
} from '../schemas/conversations.ts'
import type { ConversationPushes as ConversationPushSchemas } from '../schemas/events/conversation.ts'
import type {
  ConversationEvents as ConversationEventSchemas,
  ConversationReplies as ConversationReplySchemas,
} from '../schemas/events/conversation-events.ts'
import type { JoinConversationReply } from '../schemas/events/join-reply.ts'
import type { ConversationChange } from '../schemas/events/messages.ts'
import type { RoomPushes as RoomPushSchemas } from '../schemas/events/room.ts'
import type { RoomEvents as RoomEventSchemas } from '../schemas/events/room-events.ts'
import type {
  SystemEvents as SystemEventSchemas,
  SystemPushes as SystemPushSchemas,
  SystemReplies as SystemReplySchemas,
} from '../schemas/events/system.ts'
import type { UserEvents as UserEventSchemas } from '../schemas/events/user.ts'
import type { DirectoryUser as DirectoryUserSchema } from '../schemas/users.ts'
import type {
  ConfirmedTotpDevice as ConfirmedTotpDeviceSchema,
  RoomMessagePage as RoomMessagePageSchema,
  RoomMessage as RoomMessageSchema,
  Room as RoomSchema,
  WhisperAccount as WhisperAccountSchema,
  WhisperSignIn as WhisperSignInSchema,
} from '../schemas/whisper.ts'

/** The types of several schemas. */
type StaticOf<Schemas extends Record<string, TSchema>> = { [Name in keyof Schemas]: Static<Schemas[Name]> }

/** The response to a sign-in. */
export type SignInResponse = Static<typeof SignIn>
/** The response to a refresh. */
export type RefreshResponse = Static<typeof RefreshedSession>
/** The response to a sign-in without a password. */
export type WhisperSignInResponse = Static<typeof WhisperSignInSchema>
/** An account that signs in without a password. */
export type WireWhisperAccount = Static<typeof WhisperAccountSchema>
/** An authenticator app that was just confirmed, with recovery codes. */
export type WireConfirmedTotpDevice = Static<typeof ConfirmedTotpDeviceSchema>
/** The key set of the user. */
export type WireKeySet = Static<typeof KeySetSchema>
/** Public keys of a user. */
export type WireQueriedKeys = Static<typeof QueriedKeysListSchema>['items'][number]
/** Entries of a key history. */
export type WireKeyHistory = Static<typeof KeyHistorySchema>
/** A conversation in a list. */
export type WireConversation = Static<typeof ConversationSchema>
/** A page of conversations, and everyone in them. */
export type WireConversationPage = Static<typeof ConversationPageSchema>
/** A user in the directory: the address may be hidden. */
export type WireDirectoryUser = Static<typeof DirectoryUserSchema>
/** One recipient's copy of a message. */
export type WireMessage = Static<typeof MessageSchema>
/** The reply to a join of `conversation:<id>`. */
export type WireOpenConversation = JoinConversationReply
/** A change of a conversation's messages, as an event and in a catch-up. */
export type WireChange = ConversationChange
/** A page of messages, newest first. */
export type WireMessages = NonNullable<JoinConversationReply['messages']>
/** What was missed; or the newest page, if that is too much. */
export type WireCatchUp = Pick<JoinConversationReply, 'recovered' | 'last_seq' | 'changes' | 'messages'>
/** A room in a list. */
export type WireRoom = Static<typeof RoomSchema>
/** A message of a room. */
export type WireRoomMessage = Static<typeof RoomMessageSchema>
/** A page of the messages of a room. */
export type WireRoomMessagePage = Static<typeof RoomMessagePageSchema>

/** What is sent on `conversation:<id>`. */
export interface ConversationTopic {
  pushes: StaticOf<typeof ConversationPushSchemas>
  replies: StaticOf<typeof ConversationReplySchemas>
  events: ConversationEvents
  joined: WireOpenConversation
}
/** The payloads of what comes on `conversation:<id>`, by event. */
export type ConversationEvents = StaticOf<typeof ConversationEventSchemas>
/** The payloads of what comes on `user:<id>`, by event. */
export type UserEvents = StaticOf<typeof UserEventSchemas>
/** What is sent on `user:<id>`. Nothing is pushed to it. */
export interface UserTopic {
  pushes: object
  replies: object
  events: UserEvents
  joined: unknown
}
/** What is sent on `system:general`. */
export interface SystemTopic {
  pushes: StaticOf<typeof SystemPushSchemas>
  replies: StaticOf<typeof SystemReplySchemas>
  events: SystemEvents
  joined: unknown
}
/** The payloads of what comes on `system:general`, by event. */
export type SystemEvents = StaticOf<typeof SystemEventSchemas>
/** What is sent on `room:<id>`. */
export interface RoomTopic {
  pushes: StaticOf<typeof RoomPushSchemas>
  replies: Record<keyof typeof RoomPushSchemas, unknown>
  events: RoomEvents
  joined: unknown
}
/** The payloads of what comes on `room:<id>`, by event. */
export type RoomEvents = StaticOf<typeof RoomEventSchemas>
