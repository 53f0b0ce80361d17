import type { PrivateKeys } from '../../config/config.ts'
import type { Database, Orm } from '../../db/database.ts'
import type { UserSummary } from '../../db/queries/accounts/users.ts'
import {
  conversationsOf,
  findPrivatePair,
  type ListedConversation,
} from '../../db/queries/conversations/conversations.ts'
import { fillPublicKeys, insertKeys } from '../../db/queries/conversations/keys.ts'
import {
  contactsIn,
  listMemberRows,
  type MemberRow,
  markMemberRead,
} from '../../db/queries/conversations/members.ts'
import { AppError } from '../../errors.ts'
import { AddingRules } from '../accounts/adding-rules.ts'
import type { SendQueue } from '../sending/send-queue.ts'
import type { ConversationSnapshot, EventBus } from '../shared/events.ts'
import type { Log } from '../shared/failure-reporter.ts'
import type { Page, PageTokens } from '../shared/pagination.ts'
import { readUuid } from '../shared/uuid.ts'
import type { Vault } from '../vault/vault.ts'
import { type ConversationDetails, openConversationDetails } from './conversation-details.ts'
import {
  checkKeyPair,
  type KeyPair,
  type OptionalKeyPair,
  readOptionalKeys,
  sealKeys,
} from './conversation-keys.ts'
import { conversationScope, MAX_SIGN_IN_CONVERSATIONS, pageOfConversations } from './conversation-pages.ts'
import { type GroupChange, modifyGroup, removeMember } from './group-changes.ts'
import { KeyReader } from './key-reader.ts'
import { lockAsMember, readConversationId } from './membership.ts'
import { insertGroup, insertPrivate } from './new-conversations.ts'
import type { StartQuota } from './start-quota.ts'

export type { Conversation, ListedConversation } from '../../db/queries/conversations/conversations.ts'
export type { ConversationDetails } from './conversation-details.ts'
export type { Jwk, KeyPair } from './conversation-keys.ts'

interface ConversationsOptions {
  db: Database
  queue: SendQueue
  vault: Vault
  events: EventBus
  pageTokens: PageTokens
  addingRules?: AddingRules
  /** Absent: unlimited. */
  startQuota?: Pick<StartQuota, 'take'> | undefined
  privateKeys?: PrivateKeys
  /** Logs keys that cannot be read. */
  log?: Log
}

/** A page of a user's conversations, and their other members. */
export interface ConversationPage extends Page<ListedConversation> {
  users: UserSummary[]
}

/** Starts, reads and changes conversations, except their messages. */
export class Conversations {
  readonly #db: Database
  readonly #queue: SendQueue
  readonly #vault: Vault
  readonly #events: EventBus
  readonly #pageTokens: PageTokens
  readonly #addingRules: AddingRules
  readonly #startQuota: ConversationsOptions['startQuota']
  readonly #privateKeys: PrivateKeys
  readonly #keyReader: KeyReader

  constructor({
    db,
    queue,
    vault,
    events,
    pageTokens,
    addingRules = new AddingRules('full'),
    startQuota,
    privateKeys = 'any',
    log,
  }: ConversationsOptions) {
    this.#db = db
    this.#queue = queue
    this.#vault = vault
    this.#events = events
    this.#pageTokens = pageTokens
    this.#addingRules = addingRules
    this.#startQuota = startQuota
    this.#privateKeys = privateKeys
    this.#keyReader = new KeyReader(vault, log)
  }

  /**
   * @throws AppError `rate_limited`, `users_not_found`, `email_unconfirmed`, `not_allowed_to_add`, `too_many_members` or
   * `validation_failed`.
   */
  async startGroup(
    creatorId: string,
    {
      userIds,
      alias = null,
      ...keys
    }: { userIds: readonly string[]; alias?: string | null | undefined } & OptionalKeyPair,
  ): Promise<ConversationSnapshot> {
    return this.#start(creatorId, keys, (tx, context) => insertGroup(tx, context, { userIds, alias }))
  }

  /**
   * @throws AppError `rate_limited`, `users_not_found`, `email_unconfirmed`, `not_allowed_to_add`, `incorrect_num_users`,
   * `conversation_already_exists` or `validation_failed`.
   */
  async startPrivate(
    creatorId: string,
    { otherUserId, ...keys }: { otherUserId: string } & OptionalKeyPair,
  ): Promise<ConversationSnapshot> {
    return this.#start(creatorId, keys, (tx, context) => insertPrivate(tx, context, otherUserId))
  }

  /** @throws AppError `no_conversation` */
  async open(conversationId: string, userId: string): Promise<ConversationDetails> {
    const details = await this.find(readConversationId(conversationId), userId)
    if (!details) throw new AppError('no_conversation')
    return details
  }

  /** Like `open`, for a valid id; undefined if the user is not a member. */
  async find(conversationId: string, userId: string): Promise<ConversationDetails | undefined> {
    const rows = await listMemberRows(this.#db, conversationId, userId)
    const details = openConversationDetails(this.#keyReader, rows, { conversationId, userId })
    if (details) await this.#fillPublicKeys(conversationId, rows, details)
    return details
  }

  /** A page of a user's conversations, newest first. @throws AppError `invalid_page_token` */
  async listOf(
    userId: string,
    { pageSize = MAX_SIGN_IN_CONVERSATIONS, pageToken }: { pageSize?: number; pageToken?: string } = {},
  ): Promise<ConversationPage> {
    const before =
      pageToken === undefined ? undefined : this.#pageTokens.open(conversationScope(userId), pageToken)
    const found = await conversationsOf(this.#db.orm, userId, { before, limit: pageSize + 1 })
    const page = pageOfConversations(this.#pageTokens, userId, found, pageSize)
    const ids = page.items.map(({ id }) => id)
    return { ...page, users: await contactsIn(this.#db.orm, userId, ids) }
  }

  /** The private conversation of two users; null if there is none. The other id may be any text. */
  async findPrivate(userId: string, otherId: string): Promise<string | null> {
    const id = readUuid(otherId)
    return id ? findPrivatePair(this.#db.orm, [userId, id]) : null
  }

  /**
   * Records that a member has read everything so far, or everything up to `seq`. A read position never moves back.
   * @throws AppError `no_conversation`
   */
  async markRead(conversationId: string, userId: string, seq?: number): Promise<void> {
    const id = readConversationId(conversationId)
    const position = await markMemberRead(this.#db, { conversationId: id, userId, seq: seq ?? null })
    if (!position) throw new AppError('no_conversation')
    const { readSeq, isNew } = position
    if (isNew) this.#events.emit('conversation_read', { conversationId: id, userId, readSeq })
  }

  /** Sets the alias of a group; null removes it. @throws AppError `no_conversation`, `private_conversation`, `validation_failed` */
  rename(conversationId: string, userId: string, alias: string | null): Promise<ConversationSnapshot> {
    return this.#changeGroup(conversationId, userId, { newMembers: [], alias }, ({ conversation }) =>
      this.#events.emit('alias_changed', { conversation }),
    )
  }

  /**
   * Adds members to a group, and sets its alias unless `alias` is absent.
   * @returns the group, even if nothing had to be changed.
   * @throws AppError `no_conversation`, `private_conversation`, `users_not_found`, `not_allowed_to_add`, `too_many_members`,
   * `validation_failed`
   */
  addMembers(conversationId: string, userId: string, change: GroupChange): Promise<ConversationSnapshot> {
    return this.#changeGroup(conversationId, userId, change, (changed) =>
      this.#events.emit('conversation_modified', changed),
    )
  }

  /**
   * Removes a member from a group; the last one to leave deletes it. Their keys stay, for when they are added again.
   * @throws AppError `no_conversation`, `private_conversation`
   */
  async leave(conversationId: string, userId: string): Promise<void> {
    const id = readConversationId(conversationId)
    await this.#change(
      id,
      (tx, outcomeUnknown) => removeMember(tx, { id, userId, outcomeUnknown }),
      ({ isDeleted, ...left }) => {
        this.#events.emit('member_left', { conversationId: id, userId, ...left })
        if (isDeleted) this.#events.emit('attachments_released', {})
      },
    )
  }

  /** Stores a member's keys. They can be set only once. @throws AppError `no_conversation`, `keys_already_set`, `validation_failed` */
  async setKeys(conversationId: string, userId: string, keys: KeyPair): Promise<void> {
    const id = readConversationId(conversationId)
    checkKeyPair(keys, this.#privateKeys)
    const sealed = sealKeys(this.#vault, { conversationId: id, userId }, keys)
    await this.#change(
      id,
      async (tx, outcomeUnknown) => {
        await lockAsMember(tx, id, userId)
        if (!(await insertKeys(tx, sealed)) && !outcomeUnknown) throw new AppError('keys_already_set')
      },
      () => this.#events.emit('keys_changed', { conversationId: id, userId, publicKey: keys.publicKey }),
    )
  }

  /** Stores public keys in plain text that an older version stored only encrypted, so that each is decrypted once. */
  async #fillPublicKeys(
    conversationId: string,
    rows: MemberRow[],
    { publicKeys }: ConversationDetails,
  ): Promise<void> {
    const sealed = rows
      .filter((row) => row.publicKey && publicKeys.has(row.id))
      .map(({ id }) => [id, publicKeys.get(id)] as const)
    if (sealed.length) await fillPublicKeys(this.#db, conversationId, new Map(sealed))
  }

  async #changeGroup(
    conversationId: string,
    userId: string,
    change: GroupChange,
    emit: (changed: ConversationSnapshot) => void,
  ): Promise<ConversationSnapshot> {
    const id = readConversationId(conversationId)
    const { snapshot } = await this.#change(
      id,
      (tx, outcomeUnknown) => modifyGroup(tx, this.#addingRules, { id, userId, outcomeUnknown }, change),
      ({ snapshot, isChanged }) => {
        if (isChanged) emit(snapshot)
      },
    )
    return snapshot
  }

  #change<T>(
    conversationId: string,
    work: (tx: Orm, outcomeUnknown: boolean) => Promise<T>,
    onCommitted: (result: T) => void,
  ): Promise<T> {
    return this.#queue.change({
      stream: conversationId,
      work: (outcomeUnknown) => this.#db.transaction((tx) => work(tx, outcomeUnknown)),
      onCommitted,
    })
  }

  async #start(
    creatorId: string,
    { publicKey, privateKey }: OptionalKeyPair,
    insert: (tx: Orm, context: Parameters<typeof insertGroup>[1]) => Promise<ConversationSnapshot>,
  ): Promise<ConversationSnapshot> {
    const keys = readOptionalKeys({ publicKey, privateKey })
    if (keys) checkKeyPair(keys, this.#privateKeys)
    await this.#startQuota?.take(creatorId)
    const context = { addingRules: this.#addingRules, vault: this.#vault, creatorId, keys }
    const started = await this.#db.transaction((tx) => insert(tx, context))
    this.#events.emit('conversation_started', started)
    return started
  }
}
