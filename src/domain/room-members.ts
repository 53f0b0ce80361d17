import type { Orm } from '../db/database.ts'
import { findRoomMember, findRoomUsers, type RoomUser } from '../db/queries/rooms.ts'
import { AppError } from '../errors.ts'
import { readUuid } from './uuid.ts'

export type { RoomUser } from '../db/queries/rooms.ts'

/** Ids as nanoid makes them. */
const NANOID = /^[\w-]{21}$/

/** Wrong ids that are named one by one. */
const MOST_NAMED = 100

/** Whether a text can be a room's id. */
export function isRoomId(text: string): boolean {
  return NANOID.test(text)
}

/** A room's id as it came. @throws AppError `no_room` for what cannot be one. */
export function readRoomId(text: string): string {
  if (!isRoomId(text)) throw new AppError('no_room')
  return text
}

/** A message's id as it came. @throws AppError `no_message` for what cannot be one. */
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

/** The users a list of ids stands for, long or short, each once. @throws AppError `validation_failed`, naming who is unknown. */
export async function requireRoomUsers(db: Orm, userIds: readonly string[]): Promise<RoomUser[]> {
  const users = await findByAnyId(db, userIds)
  const known = new Set(users.flatMap(({ userId, shortId }) => [userId, shortId]))
  const unknown = [...new Set(userIds)].filter((id) => !known.has(readUuid(id) ?? id))
  if (unknown.length) {
    const user_ids = unknown.slice(0, MOST_NAMED).map((id) => `${id} is not a user`)
    throw new AppError('validation_failed', { fields: { user_ids } })
  }
  return [...new Map(users.map((user) => [user.userId, user])).values()]
}

/** The user an id stands for, long or short. @throws AppError `not_found` */
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
