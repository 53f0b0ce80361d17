import type { Database } from '../db/database.ts'
import type { Membership } from '../db/queries/members.ts'
import { listRoomMessagesAfter, type RoomMessage } from '../db/queries/room-messages.ts'
import { roomMembersAmong, roomMembershipsMissing, roomPositions } from '../db/queries/rooms.ts'
import { isRoomId } from './room-members.ts'

/** A part of what was sent to a room since a place. */
export interface MissedMessages {
  /** The place up to which there is nothing else. */
  upTo: number
  isLast: boolean
  messages: RoomMessage[]
  memberIds: Set<string>
}

const MISSED_AT_ONCE = 100

/** What a node asks about rooms that others may have changed without its hearing of it. */
export class RoomCatchUp {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Those of some users who are not members of the room they are named with. */
  strangers(asked: readonly Membership[]): Promise<Membership[]> {
    return roomMembershipsMissing(
      this.#db,
      asked.filter(({ placeId }) => isRoomId(placeId)),
    )
  }

  /** The places of the latest changes of some rooms; those that are not there are left out. */
  positions(roomIds: readonly string[]): Promise<{ id: string; lastSeq: number }[]> {
    // Clients may ask for any text, and one that cannot be stored would fail the query for all.
    return roomPositions(this.#db.orm, roomIds.filter(isRoomId))
  }

  /**
   * The first messages of a room after a place, and which of some users are members after all these; undefined without a
   * room.
   */
  async missed(
    roomId: string,
    after: number,
    userIds: readonly string[],
  ): Promise<MissedMessages | undefined> {
    const db = this.#db.orm
    // In this order: whoever is put out by now was put out after what is read before.
    const [position] = await roomPositions(db, [roomId])
    if (!position) return undefined
    const messages = await listRoomMessagesAfter(db, { roomId, after, limit: MISSED_AT_ONCE })
    const memberIds = await roomMembersAmong(db, roomId, userIds)
    const last = messages.at(-1)
    const isLast = messages.length < MISSED_AT_ONCE
    return { upTo: Math.max(isLast ? position.lastSeq : 0, last?.seq ?? 0), isLast, messages, memberIds }
  }
}
