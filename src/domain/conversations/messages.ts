import { NIL, v7 as uuidv7 } from 'uuid'
import type { Database } from '../../db/database.ts'
import {
  type ChangeRefusal,
  deleteMessage,
  editMessage,
  findDeletion,
  type MessageRef,
} from '../../db/queries/conversations/change-message.ts'
import {
  type Change,
  type Position,
  positionsOf,
  readChanges,
  readFirstChanges,
} from '../../db/queries/conversations/changes.ts'
import { copiesOf } from '../../db/queries/conversations/copies.ts'
import { type HistoryQuery, type Message, readHistories } from '../../db/queries/conversations/messages.ts'
import type { Draft } from '../../db/queries/conversations/send-batch.ts'
import { AppError } from '../../errors.ts'
import type { SendKind } from '../sending/send-kind.ts'
import type { SendQueue } from '../sending/send-queue.ts'
import type { EventBus } from '../shared/events.ts'
import type { Page, PageTokens } from '../shared/pagination.ts'
import { RequestBatcher } from '../shared/request-batcher.ts'
import { busy } from '../shared/retry-until-committed.ts'
import { readClientMessageId, readUuid } from '../shared/uuid.ts'
import { conversationSends, type SentMessage } from './conversation-sends.ts'
import { readConversationId } from './membership.ts'

export type { Change, Position } from '../../db/queries/conversations/changes.ts'
export type { Message } from '../../db/queries/conversations/messages.ts'
export type { SentMessage } from './conversation-sends.ts'

const PAGE_SIZE = 20
const MAX_PAGE_SIZE = 100

/** Pages per statement. All wait for the slowest, so that large pages share a statement with few others. */
const PAGE_BATCH_SIZE = 16
const LARGE_PAGE_BATCH_SIZE = 2
const MISSED_BATCH_SIZE = 200

/** Missed changes that are sent individually. For more, the newest page is sent instead. */
const MAX_MISSED_CHANGES = 500

/** Attempts of one edit or deletion while the conversation keeps changing. */
const MAX_ATTEMPTS = 100

/** The encrypted copies of a message by recipient id. */
export type MessageContents = ReadonlyMap<string, string>

/** What a message may have beside its copies. */
export interface SendOptions {
  /** A UUID of the sender, as an idempotency key: a repeated send resolves with the first message. */
  clientMessageId?: string | undefined
  /** A ciphertext that all copies refer to. */
  shared?: string | undefined
  /** The ids of own uploads, which the message binds. */
  attachments?: readonly string[] | undefined
}

/** The new content of a message. Without `shared`, the message has none afterwards; without `attachments`, it keeps those it has. */
export interface MessageEdit {
  groupId: string
  copies: MessageContents
  shared?: string | undefined
  attachments?: readonly string[] | undefined
}

/** The place of a change in its conversation. */
export interface ChangedMessage {
  groupId: string
  /** The `seq` of the change. */
  seq: number
}

/** A request for a page of messages. */
export interface HistoryRequest {
  conversationId: string
  pageToken?: string | undefined
  pageSize?: number | undefined
}

/**
 * What happened in a conversation after a `seq`, up to `lastSeq`: every change in order, or the newest messages if these
 * cannot all be sent.
 */
export type CatchUpResult = { conversationId: string; lastSeq: number } & (
  | { recovered: true; changes: Change[] }
  | { recovered: false; latest: Page<Message> }
)

interface MessagesOptions {
  db: Database
  queue: SendQueue
  events: EventBus
  pageTokens: PageTokens
}

/** Sends, edits, deletes and reads messages. Each change gets the next `seq` of its conversation and emits an event. */
export class Messages {
  readonly #db: Database
  readonly #queue: SendQueue
  readonly #sends: SendKind<Draft, SentMessage>
  readonly #events: EventBus
  readonly #pageTokens: PageTokens
  readonly #pages: RequestBatcher<HistoryQuery, Message[] | undefined>
  readonly #largePages: RequestBatcher<HistoryQuery, Message[] | undefined>

  constructor({ db, queue, events, pageTokens }: MessagesOptions) {
    this.#db = db
    this.#queue = queue
    this.#sends = conversationSends(db, events)
    this.#events = events
    this.#pageTokens = pageTokens
    // The embedded database runs one statement at a time.
    const maxConcurrentBatches = db.kind === 'embedded' ? 1 : 3
    const read = (length: number) => (queries: HistoryQuery[]) => readHistories(db, queries, length + 1)
    this.#pages = new RequestBatcher(read(PAGE_SIZE), { maxBatchSize: PAGE_BATCH_SIZE, maxConcurrentBatches })
    this.#largePages = new RequestBatcher(read(MAX_PAGE_SIZE), {
      maxBatchSize: LARGE_PAGE_BATCH_SIZE,
      maxConcurrentBatches,
    })
  }

  /**
   * Sends a message; the recipients must be exactly the members. Resolves after its event was emitted, as do `edit` and
   * `delete`.
   * @throws AppError `no_conversation`, `not_enough_recipients`, `too_many_recipients`, `no_attachment` or `busy`.
   */
  async send(
    conversationId: string,
    senderId: string,
    contents: MessageContents,
    { clientMessageId, shared, attachments = [] }: SendOptions = {},
  ): Promise<SentMessage> {
    const groupId = uuidv7()
    const draft = {
      conversationId: readConversationId(conversationId),
      senderId,
      groupId,
      clientMessageId: readClientMessageId(clientMessageId),
      copies: copiesOf(groupId, contents),
      shared,
      attachments: readAttachmentIds(attachments),
    }
    return this.#queue.send(this.#sends, draft)
  }

  /**
   * Replaces the content of a message. Members added after it was sent get a copy at its original position.
   * @throws AppError `no_conversation`, `no_message`, `not_sender`, `not_enough_recipients`, `too_many_recipients`,
   * `no_attachment` or `busy`.
   */
  async edit(
    conversationId: string,
    userId: string,
    { groupId, copies: contents, shared: newShared, attachments: ids }: MessageEdit,
  ): Promise<ChangedMessage> {
    const message = readMessageRef(conversationId, userId, groupId)
    const newCopies = copiesOf(message.groupId, contents)
    const shared = newShared ?? null
    const attachments = ids && readAttachmentIds(ids)
    const { editSeq } = await this.#queue.change({
      stream: message.conversationId,
      work: () => accepted(() => editMessage(this.#db, message, { copies: newCopies, shared, attachments })),
      onCommitted: ({ verdict: _, copyIds, hasReleased, ...edited }) => {
        const copies = newCopies.map((copy, index) => ({ ...copy, id: copyIds[index] as string }))
        const { userId: senderId, ...ids } = message
        this.#events.emit('message_edited', { ...ids, senderId, ...edited, copies, shared })
        if (hasReleased) this.#events.emit('attachments_released', {})
      },
    })
    return { groupId: message.groupId, seq: editSeq }
  }

  /** Deletes a message for everyone. @throws AppError `no_conversation`, `no_message`, `not_sender` or `busy`. */
  async delete(conversationId: string, userId: string, groupId: string): Promise<ChangedMessage> {
    const message = readMessageRef(conversationId, userId, groupId)
    const { seq } = await this.#queue.change({
      stream: message.conversationId,
      work: async (outcomeUnknown) => {
        // An earlier attempt may have deleted it without emitting the event.
        const earlier = outcomeUnknown ? await findDeletion(this.#db, message) : undefined
        return earlier ?? accepted(() => deleteMessage(this.#db, message))
      },
      onCommitted: ({ seq, memberIds, hasReleased }) => {
        const { conversationId, groupId } = message
        this.#events.emit('message_deleted', { conversationId, groupId, seq, memberIds })
        if (hasReleased) this.#events.emit('attachments_released', {})
      },
    })
    return { groupId: message.groupId, seq }
  }

  /**
   * A page of a member's messages, newest first.
   * @throws AppError `no_conversation`, `invalid_page_token`
   */
  async history(
    userId: string,
    { conversationId, pageToken, pageSize = PAGE_SIZE }: HistoryRequest,
  ): Promise<Page<Message>> {
    const id = readConversationId(conversationId)
    const scope = ['messages', userId, id]
    const before = pageToken ? Number(this.#pageTokens.open(scope, pageToken)) : Number.MAX_SAFE_INTEGER
    const pages = pageSize > PAGE_SIZE ? this.#largePages : this.#pages
    const found = await pages.request({ conversationId: id, userId, before })
    if (!found) throw new AppError('no_conversation')
    return this.#pageTokens.page(scope, found, pageSize, ({ seq }) => String(seq))
  }

  /** The positions of all conversations of the users. */
  positions(userIds: readonly string[]): Promise<Position[]> {
    return positionsOf(this.#db, userIds)
  }

  /** The first changes of a conversation after a `seq`, for one user; undefined if they are not a member. */
  missed(
    userId: string,
    conversationId: string,
    afterSeq: number,
  ): Promise<{ upTo: number; isLast: boolean; changes: Change[] } | undefined> {
    return readFirstChanges(this.#db, { conversationId, userId, afterSeq, limit: MISSED_BATCH_SIZE })
  }

  /** The newest page. @throws AppError `no_conversation` */
  latest(userId: string, conversationId: string): Promise<Page<Message>> {
    return this.history(userId, { conversationId })
  }

  /**
   * What a member has missed after a `seq`. They get the newest page instead of the changes if these are more than
   * `MAX_MISSED_CHANGES`, or if the `seq` is from before they were (last) added or greater than the latest.
   * @throws AppError `no_conversation`
   */
  async since(userId: string, conversationId: string, afterSeq: number): Promise<CatchUpResult> {
    const id = readConversationId(conversationId)
    const query = { conversationId: id, userId, afterSeq, limit: MAX_MISSED_CHANGES }
    const found = await readChanges(this.#db, query)
    if (!found) throw new AppError('no_conversation')
    const { lastSeq, joinedSeq, changes } = found
    if (afterSeq >= joinedSeq && afterSeq <= lastSeq && changes !== 'too_many') {
      return { conversationId: id, lastSeq, recovered: true, changes }
    }
    // Read after `lastSeq`: a message sent in between is in the page, and may also be delivered as an event.
    return { conversationId: id, lastSeq, recovered: false, latest: await this.latest(userId, id) }
  }
}

/** Validates ids of attachments, and removes duplicates. @throws AppError `no_attachment` */
function readAttachmentIds(texts: readonly string[]): string[] {
  const ids = texts.map(readUuid)
  if (ids.includes(undefined)) throw new AppError('no_attachment')
  return [...new Set(ids as string[])]
}

function readMessageRef(conversationId: string, userId: string, groupId: string): MessageRef {
  return { conversationId: readConversationId(conversationId), userId, groupId: readUuid(groupId) ?? NIL }
}

/** Retries a change while its statement saw outdated rows. @throws AppError with the rule it breaks. */
async function accepted<T extends { verdict: 'ok' }>(
  change: () => Promise<T | { verdict: ChangeRefusal }>,
): Promise<T> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const outcome = await change()
    if (outcome.verdict === 'ok') return outcome as T
    if (outcome.verdict !== 'stale') throw new AppError(outcome.verdict)
  }
  throw busy()
}
