import type { Orm } from '../../db/database.ts'
import { findRoomMember, findRoomUsers, type RoomUser } from '../../db/queries/rooms/rooms.ts'
import { AppError } from '../../errors.ts'
import { readUuid } from '../shared/uuid.ts'

export type { RoomUser } from '../../db/queries/rooms/rooms.ts'

/** Ids as nanoid makes them. */
const NANOID = /^[\w-]{21}$/

/** Maximum number of unknown ids in an error. */
const MAX_NAMED_IDS = 100

/** Whether a text can be a room's id. */
export function isRoomId(text: string): boolean {
  return NANOID.test(text)
}

/** Validates a room's id. @throws AppError `no_room` */
export function readRoomId(text: string): string {
  if (!isRoomId(text)) throw new AppError('no_room')
  return text
}

/** Validates a message's id. @throws AppError `no_message` */
export function readRoomMessageId(text: string): string {
  if (!NANOID.test(text)) throw new AppError('no_message')
  return text
}

/** @throws AppError `no_room` or `not_member`. */
export async function requireRoomMember(db: Orm, roomId: string, userId: string): Promise<RoomUser> {
  const member = await findRoomMember(db, roomId, userId)
  if (member === undefined) throw new AppError('no_room')
  if (member === null) throw new AppError('not_member')
  return member
}

/** The users with these UUIDs or short ids, each once. @throws AppError `validation_failed` naming unknown ids. */
export async function requireRoomUsers(db: Orm, userIds: readonly string[]): Promise<RoomUser[]> {
  const users = await findByAnyId(db, userIds)
  const known = new Set(users.flatMap(({ userId, shortId }) => [userId, shortId]))
  const unknown = [...new Set(userIds)].filter((id) => !known.has(readUuid(id) ?? id))
  if (unknown.length) {
    const user_ids = unknown.slice(0, MAX_NAMED_IDS).map((id) => `${id} is not a user`)
    throw new AppError('validation_failed', { fields: { user_ids } })
  }
  return [...new Map(users.map((user) => [user.userId, user])).values()]
}

/** The user with this UUID or short id. @throws AppError `not_found` */
export async function requireRoomUser(db: Orm, id: string): Promise<RoomUser> {
  const [user] = await findByAnyId(db, [id])
  if (!user) throw new AppError('not_found')
  return user
}

function findByAnyId(db: Orm, ids: readonly string[]): Promise<RoomUser[]> {
  const uuids = ids.map(readUuid).filter((id) => id !== undefined)
  const shortIds = ids.filter((id) => NANOID.test(id))
  return findRoomUsers(db, { uuids, shortIds })
}
