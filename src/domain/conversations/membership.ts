import type { Orm } from '../../db/database.ts'
import {
  type Conversation,
  countUsers,
  lockConversation,
} from '../../db/queries/conversations/conversations.ts'
import { memberIdsOf } from '../../db/queries/conversations/members.ts'
import { AppError, invalidField } from '../../errors.ts'
import { characterCount, isStorable } from '../shared/text.ts'
import { readUuid } from '../shared/uuid.ts'

/** Maximum number of members of a conversation. */
export const MAX_MEMBERS = 500
const MAX_ALIAS_LENGTH = 100

/** A conversation that is locked until the transaction ends, together with its members. */
export interface LockedConversation extends Conversation {
  lastSeq: number
  memberIds: string[]
}

/** Locks a conversation; undefined if it does not exist. */
export async function lockWithMembers(tx: Orm, id: string): Promise<LockedConversation | undefined> {
  const conversation = await lockConversation(tx, id)
  // A separate statement, because its snapshot must be taken after the lock is held.
  return conversation && { ...conversation, memberIds: await memberIdsOf(tx, id) }
}

/** Locks a conversation for one of its members. @throws AppError `no_conversation` */
export async function lockAsMember(tx: Orm, id: string, userId: string): Promise<LockedConversation> {
  const conversation = await lockWithMembers(tx, id)
  if (!conversation?.memberIds.includes(userId)) throw new AppError('no_conversation')
  return conversation
}

/** Validates a conversation's id and returns it in lower case. @throws AppError `no_conversation` */
export function readConversationId(text: string): string {
  const id = readUuid(text)
  if (!id) throw new AppError('no_conversation')
  return id
}

/** Validates user ids and removes duplicates. @throws AppError `users_not_found` for an invalid id. */
export function readUserIds(texts: readonly string[]): string[] {
  const ids = texts.map(readUuid)
  if (ids.includes(undefined)) throw new AppError('users_not_found')
  return [...new Set(ids as string[])]
}

/** @throws AppError `too_many_members` */
export function requireCapacity(members: number): void {
  if (members > MAX_MEMBERS) throw new AppError('too_many_members')
}

/** @throws AppError `users_not_found` unless all of these exist. */
export async function requireUsers(tx: Orm, ids: string[]): Promise<void> {
  if ((await countUsers(tx, ids)) < ids.length) throw new AppError('users_not_found')
}

/** Validates an alias. An empty one is stored as null. @throws AppError `validation_failed` */
export function readAlias(alias: string | null): string | null {
  if (!alias) return null
  if (alias.length > 2 * MAX_ALIAS_LENGTH || characterCount(alias) > MAX_ALIAS_LENGTH) {
    throw invalidField('alias', `must be at most ${MAX_ALIAS_LENGTH} characters`)
  }
  if (!isStorable(alias)) throw invalidField('alias', 'has characters that cannot be stored')
  return alias
}
