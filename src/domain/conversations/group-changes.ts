import type { Orm } from '../../db/database.ts'
import { publicKeysOf } from '../../db/queries/account-keys/key-sets.ts'
import {
  deleteConversation,
  takeSeq,
  updateConversation,
} from '../../db/queries/conversations/conversations.ts'
import { deleteMember, insertMembers } from '../../db/queries/conversations/members.ts'
import { AppError } from '../../errors.ts'
import { hasAnnouncedKeys } from '../account-keys/announced-keys.ts'
import type { AddingRules } from '../accounts/adding-rules.ts'
import type { ConversationSnapshot } from '../shared/events.ts'
import {
  lockAsMember,
  lockWithMembers,
  readAlias,
  readUserIds,
  requireCapacity,
  requireUsers,
} from './membership.ts'

/** A change of a group: the users to add, and the new alias; undefined keeps the alias. */
export interface GroupChange {
  newMembers: readonly string[]
  alias?: string | null | undefined
}

/** A group, and the member who changes it. */
interface GroupRef {
  id: string
  userId: string
  /** Whether an earlier attempt may have been committed. */
  outcomeUnknown: boolean
}

/**
 * Adds members to a group and sets its alias.
 * @throws AppError `no_conversation`, `private_conversation`, `users_not_found`, `email_unconfirmed`, `not_allowed_to_add`,
 * `too_many_members` or `validation_failed`.
 */
export async function modifyGroup(
  tx: Orm,
  addingRules: AddingRules,
  { id, userId, outcomeUnknown }: GroupRef,
  { newMembers, alias }: GroupChange,
): Promise<{ snapshot: ConversationSnapshot; isChanged: boolean }> {
  const group = await lockAsMember(tx, id, userId)
  if (group.private) throw new AppError('private_conversation')
  const { lastSeq } = group
  const present = new Set(group.memberIds)
  const added = readUserIds(newMembers).filter((newId) => !present.has(newId))
  const newAlias = alias === undefined ? group.alias : readAlias(alias)
  const memberIds = [...group.memberIds, ...added]
  requireCapacity(memberIds.length)
  if (added.length === 0 && newAlias === group.alias) {
    // An earlier attempt may have made the change without emitting its event.
    const accountKeys = outcomeUnknown ? await announcedKeysOf(tx, memberIds) : undefined
    return { snapshot: { conversation: group, memberIds, accountKeys, lastSeq }, isChanged: outcomeUnknown }
  }
  if (added.length) {
    await requireUsers(tx, added)
    await addingRules.require(tx, userId, added)
    await insertMembers(tx, { conversationId: id, lastSeq }, added)
  }
  const conversation = await updateConversation(tx, id, { alias: newAlias, membersChanged: added.length > 0 })
  const accountKeys = await announcedKeysOf(tx, memberIds)
  return { snapshot: { conversation, memberIds, accountKeys, lastSeq }, isChanged: true }
}

/**
 * Removes a member from a group. The last one to leave deletes the group.
 * @returns the `seq` of the removal, or null if an earlier attempt made it, the members before it, and whether the group is deleted.
 * @throws AppError `no_conversation` or `private_conversation`.
 */
export async function removeMember(
  tx: Orm,
  { id, userId, outcomeUnknown }: GroupRef,
): Promise<{ seq: number | null; memberIds: string[]; isDeleted: boolean }> {
  const conversation = await lockWithMembers(tx, id)
  if (!conversation?.memberIds.includes(userId)) {
    // An earlier attempt may have removed them without emitting its event.
    if (outcomeUnknown) {
      const memberIds = [...(conversation?.memberIds ?? []), userId]
      return { seq: null, memberIds, isDeleted: conversation === undefined }
    }
    throw new AppError('no_conversation')
  }
  if (conversation.private) throw new AppError('private_conversation')
  const { memberIds, lastSeq } = conversation
  if (memberIds.length === 1) {
    await deleteConversation(tx, id)
    return { seq: lastSeq + 1, memberIds, isDeleted: true }
  }
  await deleteMember(tx, { conversationId: id, lastSeq }, userId)
  return { seq: await takeSeq(tx, id, { membersChanged: true }), memberIds, isDeleted: false }
}

async function announcedKeysOf(tx: Orm, memberIds: string[]): Promise<ConversationSnapshot['accountKeys']> {
  return hasAnnouncedKeys(memberIds.length) ? publicKeysOf(tx, memberIds) : undefined
}
