import type { Database } from '../../db/database.ts'
import { listRoomMessagesAfter, type RoomMessage } from '../../db/queries/rooms/room-messages.ts'
import { roomMembersAmong, roomPositions } from '../../db/queries/rooms/rooms.ts'
import { isRoomId } from './room-members.ts'

/** A batch of the messages after a `seq` of a room. */
export interface MissedMessages {
  /** The batch is complete up to this `seq`. */
  upTo: number
  isLast: boolean
  messages: RoomMessage[]
  memberIds: Set<string>
}

const MISSED_BATCH_SIZE = 100

/** Reads what a node may have missed of rooms while it was disconnected from the others. */
export class RoomCatchUp {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** The latest `seq` of each of the rooms that exist. */
  positions(roomIds: readonly string[]): Promise<{ id: string; lastSeq: number }[]> {
    // Clients may send any text, and one that PostgreSQL cannot store would fail the whole query.
    return roomPositions(this.#db.orm, roomIds.filter(isRoomId))
  }

  /**
   * The first messages of a room after a `seq`, and which of the users are members after these; undefined if there is no
   * room.
   */
  async missed(
    roomId: string,
    after: number,
    userIds: readonly string[],
  ): Promise<MissedMessages | undefined> {
    const db = this.#db.orm
    // Members are read last, so that a removal up to `upTo` is never missed.
    const [position] = await roomPositions(db, [roomId])
    if (!position) return undefined
    const messages = await listRoomMessagesAfter(db, { roomId, after, limit: MISSED_BATCH_SIZE })
    const memberIds = await roomMembersAmong(db, roomId, userIds)
    const last = messages.at(-1)
    const isLast = messages.length < MISSED_BATCH_SIZE
    return { upTo: Math.max(isLast ? position.lastSeq : 0, last?.seq ?? 0), isLast, messages, memberIds }
  }
}
