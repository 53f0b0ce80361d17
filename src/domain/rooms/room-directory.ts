import type { Database } from '../../db/database.ts'
import {
  listRoomEntries,
  listRoomPeople,
  type RoomEntry,
  type RoomPerson as RoomPersonRow,
  searchInviteCandidates,
} from '../../db/queries/rooms/room-directory.ts'
import { looksLikeEmail } from '../accounts/names.ts'
import { isStorable } from '../shared/text.ts'
import { isRoomId, readRoomId, requireRoomMember } from './room-members.ts'

export type { RoomEntry } from '../../db/queries/rooms/room-directory.ts'

/** A user as pages show them. A display name that is an email is null, because it is private. */
export type RoomPerson = Omit<RoomPersonRow, 'displayName'> & { displayName: string | null }

/** A page of a list, and the cursor of the next one, or null at the end. */
export interface DirectoryPage<T> {
  items: T[]
  next: string | null
}

const PAGE_SIZE = 100
const MAX_CANDIDATES = 20

/** Lists rooms and people by name, for HTML pages. */
export class RoomDirectory {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** The rooms that a user is in, or those they are not in, newest first, older than the room `before`. */
  async rooms(userId: string, isMember: boolean, before?: string): Promise<DirectoryPage<RoomEntry>> {
    const cursor = before !== undefined && isRoomId(before) ? before : undefined
    const query = { userId, isMember, before: cursor, limit: PAGE_SIZE + 1 }
    return pageOf(await listRoomEntries(this.#db.orm, query), ({ id }) => id)
  }

  /** The members of a room by username, starting after `after`. @throws AppError `no_room` or `not_member`. */
  async members(roomId: string, userId: string, after = ''): Promise<DirectoryPage<RoomPerson>> {
    await requireRoomMember(this.#db.orm, readRoomId(roomId), userId)
    const query = { roomId, after: isStorable(after) ? after : '', limit: PAGE_SIZE + 1 }
    const { items, next } = pageOf(await listRoomPeople(this.#db.orm, query), ({ username }) => username)
    return { items: items.map(withoutEmail), next }
  }

  /** The first users matching a text who are not in the room. @throws AppError `no_room` or `not_member`. */
  async inviteCandidates(roomId: string, userId: string, text: string): Promise<RoomPerson[]> {
    await requireRoomMember(this.#db.orm, readRoomId(roomId), userId)
    const search = text.trim()
    if (!search || !isStorable(search)) return []
    const found = await searchInviteCandidates(this.#db.orm, { roomId, search, limit: MAX_CANDIDATES })
    return found.map(withoutEmail)
  }
}

function pageOf<T>(found: T[], cursorOf: (item: T) => string): DirectoryPage<T> {
  const items = found.slice(0, PAGE_SIZE)
  const last = found.length > PAGE_SIZE ? items.at(-1) : undefined
  return { items, next: last === undefined ? null : cursorOf(last) }
}

function withoutEmail(person: RoomPersonRow): RoomPerson {
  return { ...person, displayName: looksLikeEmail(person.displayName) ? null : person.displayName }
}
