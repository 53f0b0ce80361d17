import { NIL, v7 as uuidv7 } from 'uuid'
import type { Database } from '../db/database.ts'
import {
  type ChangeRefusal,
  deleteMessage,
  editMessage,
  findDeletion,
  type MessageRef,
} from '../db/queries/change-message.ts'
import {
  type Change,
  type Position,
  positionsOf,
  readChanges,
  readFirstChanges,
} from '../db/queries/changes.ts'
import { type HistoryQuery, type Message, readHistories } from '../db/queries/messages.ts'
import type { Copy } from '../db/queries/send-batch.ts'
import { AppError } from '../errors.ts'
import type { EventBus } from './events.ts'
import { Gathering } from './gathering.ts'
import type { Sent } from './lane.ts'
import { readConversationId } from './membership.ts'
import type { Page, PageTokens } from './pagination.ts'
import { busy } from './persist.ts'
import type { SendQueue } from './send-queue.ts'
import { readClientMessageId, readUuid } from './uuid.ts'

export type { Change, Position } from '../db/queries/changes.ts'
export type { Message } from '../db/queries/messages.ts'
export type { Sent } from './lane.ts'
export { readRecipients } from './recipients.ts'

const PAGE_SIZE = 20
const LONGEST_PAGE = 100

/** Pages of one statement: as all wait for the last, long ones, which may be large, do not go with many. */
const PAGES_AT_ONCE = 16
const LONG_PAGES_AT_ONCE = 2
const MISSED_AT_ONCE = 200

/** Changes that are told one by one to whoever was away; after more of them it is less work to begin anew. */
const MOST_MISSED = 500

/** How often a conversation may change under an edit before its author is told to come back. */
const MOST_TRIES = 100

/** The encrypted contents of a message, by recipient: what `readRecipients` returns. */
export type Contents = ReadonlyMap<string, string>

/** What a member asks of a conversation's past. */
export interface HistoryRequest {
  conversationId: string
  pageToken?: string | undefined
  pageSize?: number | undefined
}

/**
 * What happened in a conversation since a place, up to `lastSeq`: every change in order, or, where these cannot all be told,
 * the newest messages instead.
 */
export type CaughtUp = { conversationId: string; lastSeq: number } & (
  | { recovered: true; changes: Change[] }
  | { recovered: false; latest: Page<Message> }
)

interface MessageTools {
  db: Database
  queue: SendQueue
  events: EventBus
  pageTokens: PageTokens
}

/** Messages: sent, changed and read. Each change has its place in the conversation's order, and an event that tells it. */
export class Messages {
  readonly #db: Database
  readonly #queue: SendQueue
  readonly #events: EventBus
  readonly #pageTokens: PageTokens
  readonly #pages: Gathering<HistoryQuery, Message[] | undefined>
  readonly #longPages: Gathering<HistoryQuery, Message[] | undefined>

  constructor({ db, queue, events, pageTokens }: MessageTools) {
    this.#db = db
    this.#queue = queue
    this.#events = events
    this.#pageTokens = pageTokens
    // The embedded database runs one statement at a time.
    const calls = db.kind === 'embedded' ? 1 : 3
    const read = (length: number) => (queries: HistoryQuery[]) => readHistories(db, queries, length + 1)
    this.#pages = new Gathering(read(PAGE_SIZE), { atOnce: PAGES_AT_ONCE, calls })
    this.#longPages = new Gathering(read(LONGEST_PAGE), { atOnce: LONG_PAGES_AT_ONCE, calls })
  }

  /**
   * Sends a message to exactly the members. Resolves after its event was emitted, as do `edit` and `delete`.
   * @param clientMessageId the sender's own UUID for it. Whatever else is sent under it, the first message stays the only
   * one, and this resolves as it did for that one.
   * @throws AppError `no_conversation`, `not_enough_recipients`, `too_many_recipients` or `busy`.
   */
  async send(
    conversationId: string,
    senderId: string,
    contents: Contents,
    clientMessageId?: string,
  ): Promise<Sent> {
    const draft = {
      conversationId: readConversationId(conversationId),
      senderId,
      groupId: uuidv7(),
      clientMessageId: readClientMessageId(clientMessageId),
      copies: copiesOf(contents),
    }
    return this.#queue.send(draft)
  }

  /**
   * Replaces the content of a message. Who joined since it was sent gets a copy in the original's place.
   * @throws AppError `no_conversation`, `no_message`, `not_sender`, `not_enough_recipients`, `too_many_recipients` or
   * `busy`.
   */
  async edit(
    conversationId: string,
    userId: string,
    { groupId, copies: contents }: { groupId: string; copies: Contents },
  ): Promise<void> {
    const message = readMessageRef(conversationId, userId, groupId)
    const drafts = copiesOf(contents)
    await this.#queue.change({
      conversationId: message.conversationId,
      work: () => accepted(() => editMessage(this.#db, message, drafts)),
      announce: ({ verdict: _, copyIds, ...places }) => {
        const copies = drafts.map((copy) => ({ ...copy, id: copyIds.get(copy.recipientId) ?? copy.id }))
        const { userId: senderId, ...ids } = message
        this.#events.emit('message_edited', { ...ids, senderId, ...places, copies })
      },
    })
  }

  /** Takes a message back, for everyone. @throws AppError `no_conversation`, `no_message`, `not_sender` or `busy`. */
  async delete(conversationId: string, userId: string, groupId: string): Promise<void> {
    const message = readMessageRef(conversationId, userId, groupId)
    await this.#queue.change({
      conversationId: message.conversationId,
      work: async (unsure) => {
        // The try whose answer was lost may have done it, and nobody was told yet.
        const done = unsure ? await findDeletion(this.#db, message) : undefined
        return done ?? accepted(() => deleteMessage(this.#db, message))
      },
      announce: ({ seq, memberIds }) => {
        const { conversationId, groupId } = message
        this.#events.emit('message_deleted', { conversationId, groupId, seq, memberIds })
      },
    })
  }

  /**
   * A page of the messages a member was sent, newest first.
   * @throws AppError `no_conversation`, `invalid_page_token`
   */
  async history(
    userId: string,
    { conversationId, pageToken, pageSize = PAGE_SIZE }: HistoryRequest,
  ): Promise<Page<Message>> {
    const id = readConversationId(conversationId)
    const scope = ['messages', userId, id]
    const before = pageToken ? Number(this.#pageTokens.open(scope, pageToken)) : Number.MAX_SAFE_INTEGER
    const pages = pageSize > PAGE_SIZE ? this.#longPages : this.#pages
    const found = await pages.ask({ conversationId: id, userId, before })
    if (!found) throw new AppError('no_conversation')
    const items = found.slice(0, pageSize)
    const last = found.length > pageSize ? items.at(-1) : undefined
    return { items, pageToken: last ? this.#pageTokens.seal(scope, String(last.seq)) : null }
  }

  /** Where all the conversations of some users stand. */
  positions(userIds: readonly string[]): Promise<Position[]> {
    return positionsOf(this.#db, userIds)
  }

  /** The first changes of a conversation after a place, for one user; undefined when they are no member. */
  missed(
    userId: string,
    conversationId: string,
    afterSeq: number,
  ): Promise<{ upTo: number; isLast: boolean; changes: Change[] } | undefined> {
    return readFirstChanges(this.#db, { conversationId, userId, afterSeq, limit: MISSED_AT_ONCE })
  }

  /** The first page, for a member who enters the conversation. @throws AppError `no_conversation` */
  latest(userId: string, conversationId: string): Promise<Page<Message>> {
    return this.history(userId, { conversationId })
  }

  /**
   * What a member has missed who knows the conversation up to a place. It cannot be told one by one if it is more than
   * `MOST_MISSED` changes, if the place is from before they were added (again), or if it has not been reached.
   * @throws AppError `no_conversation`
   */
  async since(userId: string, conversationId: string, afterSeq: number): Promise<CaughtUp> {
    const id = readConversationId(conversationId)
    const query = { conversationId: id, userId, afterSeq, limit: MOST_MISSED }
    const found = await readChanges(this.#db, query)
    if (!found) throw new AppError('no_conversation')
    const { lastSeq, joinedSeq, changes } = found
    if (afterSeq >= joinedSeq && afterSeq <= lastSeq && changes !== 'too_many') {
      return { conversationId: id, lastSeq, recovered: true, changes }
    }
    // Read after the place that is told: what comes in between is in it, and may be told again.
    return { conversationId: id, lastSeq, recovered: false, latest: await this.latest(userId, id) }
  }
}

function copiesOf(contents: Contents): Copy[] {
  const copies: Copy[] = []
  for (const [recipientId, content] of contents) copies.push({ id: uuidv7(), recipientId, content })
  return copies
}

function readMessageRef(conversationId: string, userId: string, groupId: string): MessageRef {
  return { conversationId: readConversationId(conversationId), userId, groupId: readUuid(groupId) ?? NIL }
}

/** Tries a change until it is judged by what is true. @throws AppError for why it is refused. */
async function accepted<T extends { verdict: 'ok' }>(
  change: () => Promise<T | { verdict: ChangeRefusal }>,
): Promise<T> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const outcome = await change()
    if (outcome.verdict === 'ok') return outcome as T
    if (outcome.verdict !== 'stale') throw new AppError(outcome.verdict)
  }
  throw busy()
}
