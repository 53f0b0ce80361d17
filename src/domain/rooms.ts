import { nanoid } from 'nanoid'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { isUniqueViolation } from '../db/failures.ts'
import { findByClientMessageId, findRoomMessage, listRoomMessages } from '../db/queries/room-messages.ts'
import {
  deleteRoomMember,
  findRoom,
  insertRoom,
  insertRoomMembers,
  listRooms,
  lockRoom,
  type Room,
  type RoomListQuery,
  takeRoomSeq,
} from '../db/queries/rooms.ts'
import { AppError, invalidField } from '../errors.ts'
import { Backlog } from './backlog.ts'
import type { EventBus } from './events.ts'
import type { MediaLibrary } from './media.ts'
import type { Page, PageTokens } from './pagination.ts'
import { PATIENCE_MS, persist } from './persist.ts'
import {
  type RoomUser,
  readRoomId,
  requireRoomMember,
  requireRoomUser,
  requireRoomUsers,
} from './room-members.ts'
import { type RoomDraft, type RoomMessage, type RoomPost, readPost, storePost } from './room-posts.ts'
import { characterCount, isStorable } from './text.ts'
import { Turns } from './turns.ts'
import { readClientMessageId } from './uuid.ts'

export type { Room } from '../db/queries/rooms.ts'
export type { MediaFormat } from './media.ts'
export type { RoomUser } from './room-members.ts'
export type { RoomMessage, RoomPost } from './room-posts.ts'

interface RoomTools {
  db: Database
  clock: Clock
  events: EventBus
  pageTokens: PageTokens
  media: Pick<MediaLibrary, 'store' | 'record' | 'discard'>
}

const PAGE_SIZE = 10
const MAX_NAME = 120

/** What may wait to be stored before more is turned away. */
const BACKLOG = { changes: 10_000, size: 64 * 1024 * 1024 }

/** Rooms: who is in them, and what is said there. Their changes happen in turn, and each is told after it is committed. */
export class Rooms {
  readonly #db: Database
  readonly #clock: Clock
  readonly #events: EventBus
  readonly #pageTokens: PageTokens
  readonly #media: RoomTools['media']
  readonly #turns = new Turns()
  readonly #backlog = new Backlog(BACKLOG)

  constructor({ db, clock, events, pageTokens, media }: RoomTools) {
    this.#db = db
    this.#clock = clock
    this.#events = events
    this.#pageTokens = pageTokens
    this.#media = media
  }

  /** All rooms, newest first, or a page of them. @throws AppError `validation_failed` when there is no room `before`. */
  async list({ before, limit }: RoomListQuery = {}): Promise<Room[]> {
    if (before !== undefined) await this.#requireCursor(before)
    return listRooms(this.#db.orm, { before, limit })
  }

  /**
   * Makes a room of which the creator is a member, whether they are named or not.
   * @throws AppError `room_exists`, or `validation_failed`, naming the ids that are nobody's.
   */
  async create(
    creatorId: string,
    { name, userIds }: { name: string; userIds: readonly string[] },
  ): Promise<Room> {
    const room = { id: nanoid(), name: readName(name), creatorId }
    try {
      return await this.#db.transaction(async (tx) => {
        const users = await requireRoomUsers(tx, userIds)
        await insertRoom(tx, room)
        const ids = new Set([creatorId, ...users.map(({ userId }) => userId)])
        await insertRoomMembers(tx, room.id, [...ids])
        return (await findRoom(tx, room.id)) as Room
      })
    } catch (cause) {
      if (!isUniqueViolation(cause, 'rooms_name_unique')) throw cause
      throw new AppError('room_exists', { cause })
    }
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
   * Adds users, which any member may do; who is a member already is left alone.
   * @throws AppError `no_room`, `not_member`, or `validation_failed`, naming the ids that are nobody's.
   */
  async addMembers(roomId: string, userId: string, userIds: readonly string[]): Promise<Room> {
    const id = readRoomId(roomId)
    return this.#turns.take(id, async () => {
      const { room, added } = await this.#db.transaction(async (tx) => {
        await lockRoom(tx, id)
        await requireRoomMember(tx, id, userId)
        const users = await requireRoomUsers(tx, userIds)
        const fresh = await insertRoomMembers(
          tx,
          id,
          users.map((user) => user.userId),
        )
        const added = users.filter((user) => fresh.includes(user.userId))
        return { room: (await findRoom(tx, id)) as Room, added }
      })
      for (const user of added) this.#events.emit('room_member_added', { roomId: id, ...user })
      return room
    })
  }

  /**
   * Takes a member out: the creator anyone else, a member themself. Nothing that is sent later reaches them.
   * @throws AppError `no_room`, `not_member`, `forbidden`, `creator_stays`, or `not_found` for somebody who is no member.
   */
  async removeMember(roomId: string, userId: string, targetId: string): Promise<void> {
    const id = readRoomId(roomId)
    return this.#turns.take(id, async () => {
      const { seq, ...removed } = await this.#db.transaction(async (tx) => {
        const room = await lockRoom(tx, id)
        await requireRoomMember(tx, id, userId)
        const target = await requireRoomUser(tx, targetId)
        if (userId !== room?.creatorId && userId !== target.userId) throw new AppError('forbidden')
        if (target.userId === room?.creatorId) throw new AppError('creator_stays')
        if (!(await deleteRoomMember(tx, id, target.userId))) throw new AppError('not_found')
        return { ...target, seq: (await takeRoomSeq(tx, id)) as number }
      })
      this.#events.emit('room_member_removed', { roomId: id, seq, ...removed })
    })
  }

  /**
   * Sends a text or a received file to a room, as one of its members, unless they have sent one under the same name before:
   * then this resolves with that one. A file that is not accepted is discarded. Resolves after its event was emitted.
   * @throws AppError `no_room`, `not_member`, `no_message`, `validation_failed`, `busy`, or what the media library throws.
   */
  async post(roomId: string, userId: string, post: RoomPost): Promise<RoomMessage> {
    const place = { id: nanoid(), roomId, senderId: userId, insertedAt: new Date(this.#clock.now()) }
    let draft: RoomDraft
    try {
      draft = readPost(post, place)
      this.#backlog.admit(sizeOf(draft))
    } catch (error) {
      if ('media' in post) await this.#media.discard(post.media)
      throw error
    }
    // Nothing is waited for until here: whoever posts first has the first turn.
    try {
      return await this.#turns.take(draft.roomId, async () => {
        const message = await this.#store(draft)
        if (message.id === draft.id) this.#events.emit('room_message', message)
        return message
      })
    } finally {
      this.#backlog.release(sizeOf(draft))
    }
  }

  /** What a user has sent to a room under a name of their own. @throws AppError `no_room`, or `validation_failed` for the name. */
  async findSent(
    roomId: string,
    userId: string,
    clientMessageId: string | undefined,
  ): Promise<RoomMessage | undefined> {
    const id = readClientMessageId(clientMessageId)
    if (id === undefined) return undefined
    const place = { roomId: readRoomId(roomId), senderId: userId }
    return findByClientMessageId(this.#db.orm, { ...place, clientMessageId: id })
  }

  /** A page of what was said in a room, newest first. @throws AppError `no_room`, `not_member` or `invalid_page_token`. */
  async history(
    roomId: string,
    userId: string,
    { cursor }: { cursor?: string | undefined } = {},
  ): Promise<Page<RoomMessage>> {
    await this.requireMember(roomId, userId)
    const scope = ['room', userId, roomId]
    const before = cursor ? Number(this.#pageTokens.open(scope, cursor)) : Number.MAX_SAFE_INTEGER
    const found = await listRoomMessages(this.#db.orm, { roomId, before, limit: PAGE_SIZE + 1 })
    const items = found.slice(0, PAGE_SIZE)
    const last = found.length > PAGE_SIZE ? items.at(-1) : undefined
    return { items, pageToken: last ? this.#pageTokens.seal(scope, String(last.seq)) : null }
  }

  #store(draft: RoomDraft): Promise<RoomMessage> {
    const insert = () => this.#insert(draft)
    const isNew = (message: RoomMessage) => message.id === draft.id
    return draft.media ? this.#media.store(draft.media, insert, isNew) : insert()
  }

  #insert(draft: RoomDraft): Promise<RoomMessage> {
    const change = (unsure: boolean) =>
      this.#db.transaction(async (tx) => {
        // The try whose answer was lost may have done it, and nobody was told yet.
        const done = unsure ? await findRoomMessage(tx, draft.id) : undefined
        return done ?? storePost(tx, this.#media, draft)
      })
    return persist(change, { clock: this.#clock, until: this.#clock.now() + PATIENCE_MS })
  }

  async #requireCursor(roomId: string): Promise<void> {
    const room = await findRoom(this.#db.orm, readCursor(roomId))
    if (!room) throw unknownCursor()
  }
}

function sizeOf({ text }: RoomDraft): number {
  return text?.length ?? 0
}

function readName(typed: string): string {
  const name = typed.trim()
  const length = characterCount(name)
  if (length < 1 || length > MAX_NAME) {
    throw invalidField('room_name', `must have from 1 to ${MAX_NAME} characters`)
  }
  if (!isStorable(name)) throw invalidField('room_name', 'has characters that cannot be stored')
  return name
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
