import type { RejectedError } from '../errors.ts'
import type { Problem } from './codec.ts'
import type { Member } from './member.ts'
import type { Message } from './message.ts'

/** What a conversation announces. */
export interface ConversationEvents {
  /** A message was sent; also one that was missed, and one's own. */
  message: Message
  edit: Message
  delete: Message
  /** The messages are others than before: after the first join, and when too much was missed. */
  reset: Message[]
  typing: Member[]
  read: { member: Member; seq: number }
  members: Member[]
  alias: string | null
  unread: number
  /** A member has other keys than before. */
  keys: Member
  /** Something that the user should see. */
  notice: Problem
  /** The user has left, or was removed. */
  removed: RejectedError
}
