import { nanoid } from 'nanoid'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { TextDraft } from '../../db/queries/rooms/post-batch.ts'
import {
  findByClientMessageId,
  type RoomHistoryQuery,
  readRoomHistories,
} from '../../db/queries/rooms/room-messages.ts'
import { findRoom, listRooms, type Room, type RoomListQuery } from '../../db/queries/rooms/rooms.ts'
import { type AppError, invalidField } from '../../errors.ts'
import { AddingRules } from '../accounts/adding-rules.ts'
import type { MediaLibrary } from '../media/media-library.ts'
import type { SendKind } from '../sending/send-kind.ts'
import type { SendQueue } from '../sending/send-queue.ts'
import type { EventBus } from '../shared/events.ts'
import type { Page, PageTokens } from '../shared/pagination.ts'
import { RequestBatcher } from '../shared/request-batcher.ts'
import { COMMIT_TIMEOUT_MS, retryUntilCommitted } from '../shared/retry-until-committed.ts'
import { readClientMessageId } from '../shared/uuid.ts'
import { additionOfMembers, removalOfMember } from './member-changes.ts'
import { insertNewRoom, readRoomName } from './new-rooms.ts'
import { type RoomChange, roomChange } from './room-changes.ts'
import { type RoomUser, readRoomId, requireRoomMember } from './room-members.ts'
import {
  type FilePost,
  postOfFile,
  type RoomMessage,
  type RoomPost,
  readPost,
  roomTexts,
} from './room-posts.ts'

export type { Room } from '../../db/queries/rooms/rooms.ts'
export type { RoomUser } from './room-members.ts'
export type { FilePost, RoomMessage, RoomPost } from './room-posts.ts'

interface RoomsOptions {
  db: Database
  clock: Clock
  queue: SendQueue
  events: EventBus
  pageTokens: PageTokens
  media: Pick<MediaLibrary, 'receive' | 'settle' | 'record' | 'discard'>
  addingRules?: AddingRules
}

const PAGE_SIZE = 10
/** Pages per statement. All wait for the slowest. */
const PAGE_BATCH_SIZE = 16
const DEFAULT_LIST_SIZE = 100

/** Rooms, their members and messages. The changes of a room are serialized, and each emits its event after the commit. */
export class Rooms {
  readonly #db: Database
  readonly #clock: Clock
  readonly #events: EventBus
  readonly #pageTokens: PageTokens
  readonly #media: RoomsOptions['media']
  readonly #addingRules: AddingRules
  readonly #queue: SendQueue
  readonly #texts: SendKind<TextDraft, RoomMessage>
  readonly #pages: RequestBatcher<RoomHistoryQuery, RoomMessage[] | undefined>

  constructor({
    db,
    clock,
    queue,
    events,
    pageTokens,
    media,
    addingRules = new AddingRules('full'),
  }: RoomsOptions) {
    this.#db = db
    this.#clock = clock
    this.#events = events
    this.#pageTokens = pageTokens
    this.#media = media
    this.#addingRules = addingRules
    this.#queue = queue
    this.#texts = roomTexts(db, events)
    this.#pages = new RequestBatcher((queries) => readRoomHistories(db, queries, PAGE_SIZE + 1), {
      maxBatchSize: PAGE_BATCH_SIZE,
      // The embedded database runs one statement at a time.
      maxConcurrentBatches: db.kind === 'embedded' ? 1 : 3,
    })
  }

  /** A page of all rooms, newest first. @throws AppError `validation_failed` if there is no room `before`. */
  async list({ before, limit = DEFAULT_LIST_SIZE }: Partial<RoomListQuery> = {}): Promise<Room[]> {
    if (before !== undefined) await this.#requireCursor(before)
    return listRooms(this.#db.orm, { before, limit })
  }

  /**
   * Creates a room. The creator is always a member.
   * @throws AppError `busy`, `email_unconfirmed`, `room_exists`, `not_allowed_to_add`, or `validation_failed` naming unknown ids.
   */
  async create(
    creatorId: string,
    { name, userIds }: { name: string; userIds: readonly string[] },
  ): Promise<Room> {
    const room = { id: nanoid(), name: readRoomName(name), creatorId }
    const insert = () => this.#db.transaction((tx) => insertNewRoom(tx, this.#addingRules, room, userIds))
    return retryUntilCommitted(insert, { clock: this.#clock, until: this.#clock.now() + COMMIT_TIMEOUT_MS })
  }

  /** A room, for one of its members. @throws AppError `no_room` or `not_member`. */
  async open(roomId: string, userId: string): Promise<{ room: Room; member: RoomUser }> {
    const member = await this.requireMember(roomId, userId)
    return { room: (await findRoom(this.#db.orm, roomId)) as Room, member }
  }

  /** @throws AppError `no_room` or `not_member`. */
  async requireMember(roomId: string, userId: string): Promise<RoomUser> {
    return requireRoomMember(this.#db.orm, readRoomId(roomId), userId)
  }

  /**
   * Adds users. Any member may do this. Users who are members already are ignored.
   * @throws AppError `no_room`, `not_member`, `email_unconfirmed`, `not_allowed_to_add`, or `validation_failed` naming unknown
   * ids.
   */
  async addMembers(roomId: string, userId: string, userIds: readonly string[]): Promise<Room> {
    const context = { addingRules: this.#addingRules, events: this.#events }
    const change = additionOfMembers(context, { roomId: readRoomId(roomId), userId, userIds })
    return (await this.#change(change)).room
  }

  /**
   * Removes a member: the creator removes anyone else, a member themself. No later event of the room reaches them.
   * @throws AppError `no_room`, `not_member`, `forbidden`, `creator_stays`, or `not_found` if the target is not a member.
   */
  async removeMember(roomId: string, userId: string, targetId: string): Promise<void> {
    const change = removalOfMember({ events: this.#events }, { roomId: readRoomId(roomId), userId, targetId })
    await this.#change(change)
  }

  /**
   * Sends a text or a received file to a room. If the member has sent one with the same client message id, resolves with that
   * one. A rejected file is discarded. Resolves after the event was emitted.
   * @throws AppError `no_room`, `not_member`, `no_message`, `validation_failed`, `busy`, or what the media library throws.
   */
  async post(roomId: string, userId: string, post: RoomPost): Promise<RoomMessage> {
    const ids = { id: nanoid(), roomId, senderId: userId, insertedAt: new Date(this.#clock.now()) }
    let draft: ReturnType<typeof readPost>
    try {
      draft = readPost(post, ids)
    } catch (error) {
      if ('media' in post) await this.#media.discard(post.media)
      throw error
    }
    // No `await` before this line: posts are stored in the order of the calls.
    if ('text' in draft) return this.#queue.send(this.#texts, draft)
    return this.#change(postOfFile({ media: this.#media, events: this.#events }, draft))
  }

  /**
   * Stores a file and sends it to a room, unless its sender has sent a message with the same client message id.
   * @throws AppError those of `MediaLibrary.receive` and `post`.
   */
  async postFile(
    roomId: string,
    userId: string,
    { bytes, declaredFormat, ...post }: FilePost,
  ): Promise<void> {
    if (await this.findSent(roomId, userId, post.clientMessageId)) return
    const media = await this.#media.receive([bytes], { roomId, ownerId: userId, declaredFormat })
    await this.post(roomId, userId, { media, ...post })
  }

  /** The message that a user has sent to a room with this client message id. @throws AppError `no_room` or `validation_failed`. */
  async findSent(
    roomId: string,
    userId: string,
    clientMessageId: string | undefined,
  ): Promise<RoomMessage | undefined> {
    const id = readClientMessageId(clientMessageId)
    if (id === undefined) return undefined
    const sender = { roomId: readRoomId(roomId), senderId: userId }
    return findByClientMessageId(this.#db.orm, { ...sender, clientMessageId: id })
  }

  /** A page of the messages of a room, newest first. @throws AppError `no_room`, `not_member` or `invalid_page_token`. */
  async history(
    roomId: string,
    userId: string,
    { cursor }: { cursor?: string | undefined } = {},
  ): Promise<Page<RoomMessage>> {
    const scope = ['room', userId, readRoomId(roomId)]
    let before = Number.MAX_SAFE_INTEGER
    try {
      if (cursor) before = Number(this.#pageTokens.open(scope, cursor))
    } catch (error) {
      await this.requireMember(roomId, userId)
      throw error
    }
    const found = await this.#pages.request({ roomId, userId, before })
    if (!found) {
      await this.requireMember(roomId, userId)
      // They have just been added.
      return this.history(roomId, userId, { cursor })
    }
    return this.#pageTokens.page(scope, found, PAGE_SIZE, ({ seq }) => String(seq))
  }

  #change<T>(change: RoomChange<T>): Promise<T> {
    return this.#queue.change(roomChange(this.#db, change))
  }

  async #requireCursor(roomId: string): Promise<void> {
    const room = await findRoom(this.#db.orm, readCursor(roomId))
    if (!room) throw unknownCursor()
  }
}

function readCursor(roomId: string): string {
  try {
    return readRoomId(roomId)
  } catch {
    throw unknownCursor()
  }
}

function unknownCursor(): AppError {
  return invalidField('before', 'must be the id of a room')
}
