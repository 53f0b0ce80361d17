import { v7 as uuidv7 } from 'uuid'
import type { Database, Orm } from '../db/database.ts'
import {
  type Conversation,
  conversationsOf,
  deleteConversation,
  findPrivatePair,
  insertConversation,
  insertPrivatePair,
  type ListedConversation,
  takeSeq,
  updateConversation,
} from '../db/queries/conversations.ts'
import { insertKeys } from '../db/queries/keys.ts'
import {
  companionsOf,
  deleteMember,
  insertMembers,
  isMember,
  type Membership,
  markMemberRead,
  membershipsMissing,
  rosterOf,
} from '../db/queries/members.ts'
import type { UserSummary } from '../db/queries/users.ts'
import { AppError } from '../errors.ts'
import { type ConversationDetails, detailsOf } from './conversation-details.ts'
import { type KeyPair, sealKeys } from './conversation-keys.ts'
import type { EventBus } from './events.ts'
import {
  type LockedConversation,
  lockAsMember,
  lockWithMembers,
  readAlias,
  readConversationId,
  readUserIds,
  requireRoom,
  requireUsers,
} from './membership.ts'
import type { SendQueue } from './send-queue.ts'
import { readUuid } from './uuid.ts'
import type { Vault } from './vault.ts'

export type { Conversation, ListedConversation } from '../db/queries/conversations.ts'
export type { Membership } from '../db/queries/members.ts'
export type { ConversationDetails } from './conversation-details.ts'
export type { Jwk, KeyPair } from './conversation-keys.ts'

/** A conversation that is new to some of its members, and who they all are. */
export interface Started {
  conversation: Conversation
  memberIds: string[]
  /** The place of the conversation's latest change. */
  lastSeq: number
}

interface ConversationTools {
  db: Database
  queue: SendQueue
  vault: Vault
  events: EventBus
}

/** Conversations and their members: who may start, see and change them. */
export class Conversations {
  readonly #db: Database
  readonly #queue: SendQueue
  readonly #vault: Vault
  readonly #events: EventBus

  constructor({ db, queue, vault, events }: ConversationTools) {
    this.#db = db
    this.#queue = queue
    this.#vault = vault
    this.#events = events
  }

  /** @throws AppError `users_not_found`, `too_many_members` or `validation_failed`. */
  startGroup(
    creatorId: string,
    { userIds, alias, ...keys }: { userIds: readonly string[]; alias?: string | null | undefined } & KeyPair,
  ): Promise<Started> {
    return this.#db.transaction(async (tx) => {
      const memberIds = readUserIds([creatorId, ...userIds])
      requireRoom(memberIds.length)
      await requireUsers(tx, memberIds)
      const values = { id: uuidv7(), private: false, alias: readAlias(alias ?? null) }
      const conversation = await insertConversation(tx, values)
      return this.#storeMembers(tx, { conversation, memberIds, lastSeq: 0 }, keys)
    })
  }

  /** @throws AppError `users_not_found`, `incorrect_num_users`, `conversation_already_exists` or `validation_failed`. */
  startPrivate(
    creatorId: string,
    { otherUserId, ...keys }: { otherUserId: string } & KeyPair,
  ): Promise<Started> {
    return this.#db.transaction(async (tx) => {
      const [otherId] = readUserIds([otherUserId]) as [string]
      if (otherId === creatorId) throw new AppError('incorrect_num_users')
      const memberIds: [string, string] = [creatorId, otherId]
      await requireUsers(tx, memberIds)
      const conversation = await insertConversation(tx, { id: uuidv7(), private: true })
      if (!(await insertPrivatePair(tx, conversation.id, memberIds))) {
        throw new AppError('conversation_already_exists')
      }
      return this.#storeMembers(tx, { conversation, memberIds, lastSeq: 0 }, keys)
    })
  }

  /** @throws AppError `no_conversation` */
  async open(conversationId: string, userId: string): Promise<ConversationDetails> {
    const details = await this.find(readConversationId(conversationId), userId)
    if (!details) throw new AppError('no_conversation')
    return details
  }

  /** The same by an id that is known to be one; undefined when the user is no member. */
  async find(conversationId: string, userId: string): Promise<ConversationDetails | undefined> {
    const roster = await rosterOf(this.#db, conversationId, userId)
    return detailsOf(this.#vault, roster, { conversationId, userId })
  }

  /** Every conversation of a user, newest first, and everyone they share one with. */
  async listOf(userId: string): Promise<{ conversations: ListedConversation[]; users: UserSummary[] }> {
    const [conversations, users] = await Promise.all([
      conversationsOf(this.#db.orm, userId),
      companionsOf(this.#db.orm, userId),
    ])
    return { conversations, users }
  }

  /** The private conversation of two users; null when there is none, whatever text the other id is. */
  async findPrivate(userId: string, otherId: string): Promise<string | null> {
    const id = readUuid(otherId)
    return id ? findPrivatePair(this.#db.orm, [userId, id]) : null
  }

  async isMember(conversationId: string, userId: string): Promise<boolean> {
    const id = readUuid(conversationId)
    return id !== undefined && isMember(this.#db, id, userId)
  }

  /** Those of some users who are not members of the conversation they are named with. */
  async strangers(asked: readonly Membership[]): Promise<Membership[]> {
    return membershipsMissing(
      this.#db,
      asked.filter(({ placeId }) => readUuid(placeId) === placeId),
    )
  }

  /**
   * Records that a member has read everything so far, or up to a place.
   * @returns the place up to which they have read: not less than ever before, and not more than there is.
   * @throws AppError `no_conversation`
   */
  async markRead(conversationId: string, userId: string, seq?: number): Promise<number> {
    const id = readConversationId(conversationId)
    const readSeq = await markMemberRead(this.#db, { conversationId: id, userId, seq: seq ?? null })
    if (readSeq === undefined) throw new AppError('no_conversation')
    return readSeq
  }

  /** Names a group; null takes the name away. @throws AppError `no_conversation`, `private_conversation`, `validation_failed` */
  rename(conversationId: string, userId: string, alias: string | null): Promise<Conversation> {
    return this.#changeGroup(conversationId, userId, (tx, { id }) => {
      return updateConversation(tx, id, { alias: readAlias(alias) })
    })
  }

  /**
   * Adds members to a group, and names it unless `alias` is absent.
   * @throws AppError `no_conversation`, `private_conversation`, `users_not_found`, `too_many_members`, `validation_failed`
   */
  addMembers(
    conversationId: string,
    userId: string,
    { newMembers, alias }: { newMembers: readonly string[]; alias?: string | null | undefined },
  ): Promise<Started> {
    return this.#changeGroup(conversationId, userId, async (tx, { id, memberIds, lastSeq }) => {
      const added = readUserIds(newMembers).filter((newId) => !memberIds.includes(newId))
      requireRoom(memberIds.length + added.length)
      if (added.length) {
        await requireUsers(tx, added)
        await insertMembers(tx, { conversationId: id, lastSeq }, added)
      }
      const conversation = await updateConversation(tx, id, {
        alias: alias === undefined ? undefined : readAlias(alias),
        membersChanged: added.length > 0,
      })
      return { conversation, memberIds: [...memberIds, ...added], lastSeq }
    })
  }

  /**
   * Takes a member out of a group; the last one takes it along. Their keys stay, for when they are added again.
   * @throws AppError `no_conversation`, `private_conversation`
   */
  async leave(conversationId: string, userId: string): Promise<void> {
    const id = readConversationId(conversationId)
    await this.#change(
      id,
      (tx, unsure) => takeOut(tx, { id, userId, unsure }),
      (left) => {
        this.#events.emit('member_left', { conversationId: id, userId, ...left })
      },
    )
  }

  /** Stores a member's keys, once. @throws AppError `no_conversation`, `keys_already_set`, `validation_failed` */
  async setKeys(conversationId: string, userId: string, keys: KeyPair): Promise<void> {
    const id = readConversationId(conversationId)
    const sealed = sealKeys(this.#vault, { conversationId: id, userId }, keys)
    await this.#change(id, async (tx, unsure) => {
      await lockAsMember(tx, id, userId)
      if (!(await insertKeys(tx, sealed)) && !unsure) throw new AppError('keys_already_set')
    })
  }

  async #changeGroup<T>(
    conversationId: string,
    userId: string,
    work: (tx: Orm, conversation: LockedConversation) => Promise<T>,
  ): Promise<T> {
    const id = readConversationId(conversationId)
    return this.#change(id, async (tx) => {
      const conversation = await lockAsMember(tx, id, userId)
      if (conversation.private) throw new AppError('private_conversation')
      return work(tx, conversation)
    })
  }

  #change<T>(
    conversationId: string,
    work: (tx: Orm, unsure: boolean) => Promise<T>,
    announce?: (result: T) => void,
  ): Promise<T> {
    return this.#queue.change({
      conversationId,
      work: (unsure) => this.#db.transaction((tx) => work(tx, unsure)),
      announce,
    })
  }

  async #storeMembers(tx: Orm, started: Started, keys: KeyPair): Promise<Started> {
    const { memberIds, lastSeq } = started
    const [creatorId] = memberIds as [string]
    const conversationId = started.conversation.id
    await insertMembers(tx, { conversationId, lastSeq }, memberIds)
    await insertKeys(tx, sealKeys(this.#vault, { conversationId, userId: creatorId }, keys))
    return started
  }
}

/** Takes a member out of a group, in its order. Returns the place, and whom it concerns: the leaver too. */
async function takeOut(
  tx: Orm,
  { id, userId, unsure }: { id: string; userId: string; unsure: boolean },
): Promise<{ seq: number | null; memberIds: string[] }> {
  const conversation = await lockWithMembers(tx, id)
  if (!conversation?.memberIds.includes(userId)) {
    // The try whose answer was lost has done it, and nobody was told yet.
    if (unsure) return { seq: null, memberIds: [...(conversation?.memberIds ?? []), userId] }
    throw new AppError('no_conversation')
  }
  if (conversation.private) throw new AppError('private_conversation')
  const { memberIds, lastSeq } = conversation
  if (memberIds.length === 1) {
    await deleteConversation(tx, id)
    return { seq: lastSeq + 1, memberIds }
  }
  await deleteMember(tx, id, userId)
  return { seq: await takeSeq(tx, id, { membersChanged: true }), memberIds }
}
