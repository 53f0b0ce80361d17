import type { WireMessage, WireOpenConversation } from '../wire.ts'
import type { Member } from './member.ts'

/** Where a message comes from: it was sent now, it was missed, or it is read from the history, from new to old. */
export type MessageSource = 'live' | 'missed' | 'older'

/** What the encryption of a message depends on besides its content. */
export interface ConversationContext {
  id: string
  isPrivate: boolean
  me: string
  members: ReadonlyMap<string, Member>
  /** The keys set for this conversation, by user. */
  publicKeys: Readonly<Record<string, object>>
  privateKey: object | null
  /** The account keys of the members, as the server names them. */
  accountKeys: WireOpenConversation['account_keys']
}

/** A message to be written. */
export interface Draft {
  /** The id of the message: a UUID. */
  id: string
  type: string
  body: object
  /** What `origin` of the message to be edited was. */
  edits?: unknown
}

/** A message as it is sent: the same on every attempt. It is stored until the server has replied. */
export interface SealedMessage {
  payload: EncryptedMessage
  /** What the codec needs to know once the server has stored it. */
  receipt: unknown
}

/** The payload of a send or an edit, except which message it is about. */
export interface EncryptedMessage {
  encrypted_messages: Record<string, string>
  shared?: string
  attachments?: string[]
}

/** A copy that was read. */
export interface OpenedMessage {
  id: string
  type: string
  body: object
  revision: number
  /** When the sender sent it, by the sender's clock. */
  sentAt: Date | undefined
  verified: Verification
  problems: Problem[]
  /** What an edit of the message needs to know. */
  origin: unknown
}

/**
 * Who wrote a message: `verified`, signed with keys that the user has compared; `signed`, with keys that have not been compared;
 * `unsigned`, by a client without account keys; `invalid`, which must not be believed; `locked`, not readable until the keys are unlocked.
 */
export type Verification = 'verified' | 'signed' | 'unsigned' | 'invalid' | 'locked'

/** Something that a user should know about a message or a conversation. */
export interface Problem {
  /** One of those in `docs/client.md`. `describeProblem` says what it means. */
  code: string
  /** How many messages are missing. */
  count?: number
}

/** How the messages of conversations are written and read. */
export interface MessageCodec {
  /** Resolves when messages can be written. */
  ready(): Promise<void>
  /** Throws if messages cannot be written now. */
  check(): void
  /** The keys to start a conversation with, if they are needed. */
  startKeys(): Promise<KeyPair | undefined>
  /** Called with the state of a conversation after every join. @returns what the user should see. */
  joined(context: ConversationContext, setKeys: (keys: KeyPair) => Promise<void>): Promise<Problem[]>
  /** Signs a message and encrypts it for the members of the moment. */
  seal(context: ConversationContext, draft: Draft, options: SealOptions): Promise<SealedMessage>
  /** What deletes a message: an edit that says so, which is signed, or the server. */
  deletion(context: ConversationContext): ('edit' | 'delete')[]
  /** Called once the server has stored a message. */
  stored(context: ConversationContext, receipt: unknown): Promise<void>
  /** Reads a copy. Never throws for what the sender or the server has done: it says so in `problems`. */
  open(context: ConversationContext, message: WireMessage, source: MessageSource): Promise<OpenedMessage>
  /** Called when messages between the known ones and the next are not read. */
  skip(context: ConversationContext): Promise<void>
  /** Called when all messages were read, to the first one of the conversation. @returns what the user should see. */
  complete(context: ConversationContext): Promise<Problem[]>
  /** Stores what is not stored yet. */
  close(): Promise<void>
}

/** A key pair for one conversation. */
export interface KeyPair {
  public_key: Record<string, unknown>
  private_key: Record<string, unknown>
}

/** What the sender permits. */
export interface SealOptions {
  /** Whether members without account keys may be written to. */
  allowUnsigned: boolean
}
