import { v7 as uuidv7 } from 'uuid'
import type { Orm } from '../../db/database.ts'
import { publicKeysOf } from '../../db/queries/account-keys/key-sets.ts'
import {
  type Conversation,
  insertConversation,
  insertPrivatePair,
} from '../../db/queries/conversations/conversations.ts'
import { insertKeys } from '../../db/queries/conversations/keys.ts'
import { insertMembers } from '../../db/queries/conversations/members.ts'
import { AppError, invalidField } from '../../errors.ts'
import { hasAnnouncedKeys } from '../account-keys/announced-keys.ts'
import type { AddingRules } from '../accounts/adding-rules.ts'
import type { ConversationSnapshot } from '../shared/events.ts'
import type { Vault } from '../vault/vault.ts'
import { type KeyPair, sealKeys } from './conversation-keys.ts'
import { readAlias, readUserIds, requireCapacity, requireUsers } from './membership.ts'

/** The dependencies, creator and keys of a new conversation. */
interface StartContext {
  addingRules: AddingRules
  vault: Vault
  creatorId: string
  /** Absent if the creator relies on the key set of their account. */
  keys: KeyPair | undefined
}

/** @throws AppError `users_not_found`, `email_unconfirmed`, `not_allowed_to_add`, `too_many_members` or `validation_failed`. */
export async function insertGroup(
  tx: Orm,
  context: StartContext,
  { userIds, alias }: { userIds: readonly string[]; alias: string | null },
): Promise<ConversationSnapshot> {
  const { addingRules, creatorId } = context
  const memberIds = readUserIds([creatorId, ...userIds])
  requireCapacity(memberIds.length)
  await requireUsers(tx, memberIds)
  await addingRules.require(tx, creatorId, memberIds)
  const conversation = await insertConversation(tx, { id: uuidv7(), private: false, alias: readAlias(alias) })
  return insertMembersAndKeys(tx, context, conversation, memberIds)
}

/**
 * @throws AppError `users_not_found`, `email_unconfirmed`, `not_allowed_to_add`, `incorrect_num_users`,
 * `conversation_already_exists` or `validation_failed`.
 */
export async function insertPrivate(
  tx: Orm,
  context: StartContext,
  otherUserId: string,
): Promise<ConversationSnapshot> {
  const { addingRules, creatorId } = context
  const [otherId] = readUserIds([otherUserId]) as [string]
  if (otherId === creatorId) throw new AppError('incorrect_num_users')
  const memberIds: [string, string] = [creatorId, otherId]
  await requireUsers(tx, memberIds)
  const conversation = await insertConversation(tx, { id: uuidv7(), private: true })
  if (!(await insertPrivatePair(tx, conversation.id, memberIds))) {
    throw new AppError('conversation_already_exists')
  }
  await addingRules.require(tx, creatorId, [otherId])
  return insertMembersAndKeys(tx, context, conversation, memberIds)
}

async function insertMembersAndKeys(
  tx: Orm,
  context: StartContext,
  conversation: Conversation,
  memberIds: string[],
): Promise<ConversationSnapshot> {
  const { vault, creatorId, keys } = context
  const conversationId = conversation.id
  await insertMembers(tx, { conversationId, lastSeq: 0 }, memberIds)
  if (keys) await insertKeys(tx, sealKeys(vault, { conversationId, userId: creatorId }, keys))
  return { conversation, memberIds, accountKeys: await readAccountKeys(tx, context, memberIds), lastSeq: 0 }
}

/** The keys to announce. @throws AppError `validation_failed` if the creator has neither keys for the conversation nor a key set. */
async function readAccountKeys(
  tx: Orm,
  { creatorId, keys }: StartContext,
  memberIds: string[],
): Promise<ConversationSnapshot['accountKeys']> {
  const isAnnounced = hasAnnouncedKeys(memberIds.length)
  const accountKeys =
    isAnnounced || !keys ? await publicKeysOf(tx, isAnnounced ? memberIds : [creatorId]) : undefined
  if (!keys && !accountKeys?.has(creatorId)) {
    throw invalidField('public_key', 'is required unless the account has a key set')
  }
  return isAnnounced ? accountKeys : undefined
}
