import type { Orm } from '../../db/database.ts'
import { findRoom, insertRoom, insertRoomMembers, type Room } from '../../db/queries/rooms/rooms.ts'
import { AppError, invalidField } from '../../errors.ts'
import type { AddingRules } from '../accounts/adding-rules.ts'
import { titleProblem } from '../accounts/names.ts'
import { characterCount, isStorable } from '../shared/text.ts'
import { requireRoomUsers } from './room-members.ts'

const MAX_NAME_LENGTH = 120

/**
 * Inserts a room and its members. If an earlier attempt inserted it, returns that room.
 * @throws AppError `email_unconfirmed`, `room_exists`, `not_allowed_to_add`, or `validation_failed` naming unknown ids.
 */
export async function insertNewRoom(
  tx: Orm,
  addingRules: AddingRules,
  room: { id: string; name: string; creatorId: string },
  userIds: readonly string[],
): Promise<Room> {
  const { creatorId } = room
  await addingRules.requireConfirmed(tx, creatorId)
  const users = await requireRoomUsers(tx, userIds)
  const ids = [...new Set([creatorId, ...users.map(({ userId }) => userId)])]
  await addingRules.require(tx, creatorId, ids)
  if (await insertRoom(tx, room)) await insertRoomMembers(tx, room.id, ids)
  const inserted = await findRoom(tx, room.id)
  if (!inserted) throw new AppError('room_exists')
  return inserted
}

/** A trimmed room name. @throws AppError `validation_failed` */
export function readRoomName(text: string): string {
  const name = text.trim()
  const length = characterCount(name)
  if (length < 1 || length > MAX_NAME_LENGTH) {
    throw invalidField('room_name', `must have from 1 to ${MAX_NAME_LENGTH} characters`)
  }
  const problem = isStorable(name) ? titleProblem(name) : 'has characters that cannot be stored'
  if (problem) throw invalidField('room_name', problem)
  return name
}
