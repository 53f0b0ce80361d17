import type { Orm } from '../db/database.ts'
import { type Conversation, countUsers, lockConversation } from '../db/queries/conversations.ts'
import { memberIdsOf } from '../db/queries/members.ts'
import { AppError, invalidField } from '../errors.ts'
import { characterCount, isStorable } from './text.ts'
import { readUuid } from './uuid.ts'

const MAX_MEMBERS = 500
const MAX_ALIAS = 100

/** A conversation that the transaction holds: neither it nor its members change until that ends. */
export interface LockedConversation extends Conversation {
  lastSeq: number
  memberIds: string[]
}

/** Locks a conversation; undefined when there is none. */
export async function lockWithMembers(tx: Orm, id: string): Promise<LockedConversation | undefined> {
  const conversation = await lockConversation(tx, id)
  // A statement of its own, begun under the lock: only such a one reads the members as they are.
  return conversation && { ...conversation, memberIds: await memberIdsOf(tx, id) }
}

/** Locks a conversation for one of its members. @throws AppError `no_conversation` */
export async function lockAsMember(tx: Orm, id: string, userId: string): Promise<LockedConversation> {
  const conversation = await lockWithMembers(tx, id)
  if (!conversation?.memberIds.includes(userId)) throw new AppError('no_conversation')
  return conversation
}

/** A conversation's id as the database writes it. @throws AppError `no_conversation` for what cannot be one. */
export function readConversationId(text: string): string {
  const id = readUuid(text)
  if (!id) throw new AppError('no_conversation')
  return id
}

/** The ids of a list that may repeat some, each once. @throws AppError `users_not_found` for what cannot be one. */
export function readUserIds(texts: readonly string[]): string[] {
  const ids = texts.map(readUuid)
  if (ids.includes(undefined)) throw new AppError('users_not_found')
  return [...new Set(ids as string[])]
}

/** @throws AppError `too_many_members` */
export function requireRoom(members: number): void {
  if (members > MAX_MEMBERS) throw new AppError('too_many_members')
}

/** @throws AppError `users_not_found` unless all of these exist. */
export async function requireUsers(tx: Orm, ids: string[]): Promise<void> {
  if ((await countUsers(tx, ids)) < ids.length) throw new AppError('users_not_found')
}

/** An alias as it is stored: an empty one is none. @throws AppError `validation_failed` */
export function readAlias(alias: string | null): string | null {
  if (!alias) return null
  if (characterCount(alias) > MAX_ALIAS) {
    throw invalidField('alias', `must be at most ${MAX_ALIAS} characters`)
  }
  if (!isStorable(alias)) throw invalidField('alias', 'has characters that cannot be stored')
  return alias
}
