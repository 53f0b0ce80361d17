import type { Database } from '../db/database.ts'
import {
  listRoomEntries,
  listRoomPeople,
  type RoomEntry,
  type RoomPerson,
  searchOutsiders,
} from '../db/queries/room-directory.ts'
import { readRoomId, requireRoomMember } from './room-members.ts'
import { isStorable } from './text.ts'

export type { RoomEntry, RoomPerson } from '../db/queries/room-directory.ts'

/** No page shows more rooms than this, of those one is in and of the others. */
const MOST_ROOMS = 200
const MOST_FOUND = 20

/** Rooms and the people in them by their names, for pages that show them. */
export class RoomDirectory {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** The rooms that a user is in, and the others, newest first. */
  async roomsFor(userId: string): Promise<{ own: RoomEntry[]; others: RoomEntry[] }> {
    const list = (isMember: boolean) => listRoomEntries(this.#db.orm, { userId, isMember, limit: MOST_ROOMS })
    const [own, others] = await Promise.all([list(true), list(false)])
    return { own, others }
  }

  /** Who is in a room. @throws AppError `no_room` or `not_member`. */
  async members(roomId: string, userId: string): Promise<RoomPerson[]> {
    await requireRoomMember(this.#db.orm, readRoomId(roomId), userId)
    return listRoomPeople(this.#db.orm, roomId)
  }

  /** The first users a text may mean, who could be added to a room. @throws AppError `no_room` or `not_member`. */
  async outsiders(roomId: string, userId: string, text: string): Promise<RoomPerson[]> {
    await requireRoomMember(this.#db.orm, readRoomId(roomId), userId)
    const search = text.trim()
    if (!search || !isStorable(search)) return []
    return searchOutsiders(this.#db.orm, { roomId, search, limit: MOST_FOUND })
  }
}
