import type { AttachedFile } from '../encryption/attachment.ts'
import type { WireMessage } from '../wire.ts'
import type { OpenedMessage, Problem, Verification } from './codec.ts'
import type { Member } from './member.ts'
import { timeOf } from './wire-events.ts'

/** A message of a conversation, as it is now. */
export interface Message {
  /** The id that its sender gave it. */
  id: string
  /** The id that the server gave it. */
  group: string
  /** Its position in the conversation: messages are sorted by it. */
  seq: number
  sender: Member
  /** Whether this user sent it. */
  mine: boolean
  type: string
  body: MessageBody
  /** Who wrote it, and how sure that is. */
  verified: Verification
  /** What is wrong with it. */
  problems: Problem[]
  /** How often it was edited. */
  revision: number
  isDeleted: boolean
  /** When it was sent, by the sender's clock; undefined if the sender does not say. */
  sentAt: Date | undefined
  /** When the server stored it. */
  insertedAt: Date
  updatedAt: Date
  /** What an edit of the message needs to know. */
  origin: unknown
}

/** The content of a message. Which members it has depends on its type. */
export interface MessageBody {
  text?: string
  /** The id of the message that this one replies to or reacts to. */
  to?: string
  emoji?: string
  files?: AttachedFile[]
}

/** The message that a copy and its content make. */
export function messageOf(wire: WireMessage, opened: OpenedMessage, sender: Member, me: string): Message {
  return {
    ...opened,
    body: opened.body,
    group: wire.message_group,
    seq: wire.seq,
    sender,
    mine: wire.sender === me,
    isDeleted: opened.type === 'deleted',
    insertedAt: timeOf(wire.inserted_at),
    updatedAt: timeOf(wire.updated_at),
  }
}
