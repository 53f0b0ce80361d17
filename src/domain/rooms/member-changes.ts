import {
  deleteRoomMember,
  findNewRoomMembers,
  findRoom,
  findRoomMember,
  insertRoomMembers,
  lockRoom,
  type NewRoomMember,
  type Room,
  roomMembersAmong,
  takeRoomSeq,
} from '../../db/queries/rooms/rooms.ts'
import { AppError } from '../../errors.ts'
import type { AddingRules } from '../accounts/adding-rules.ts'
import type { EventBus } from '../shared/events.ts'
import type { RoomChange } from './room-changes.ts'
import { type RoomUser, requireRoomMember, requireRoomUser, requireRoomUsers } from './room-members.ts'

/** A room after users were added: all requested users, and the new members among them. */
interface Addition {
  room: Room
  users: RoomUser[]
  added: NewRoomMember[]
}

/** Adds users to a room as one of its members; present members are ignored. Emits `room_member_added` for each new one. */
export function additionOfMembers(
  { addingRules, events }: { addingRules: AddingRules; events: EventBus },
  { roomId, userId, userIds }: { roomId: string; userId: string; userIds: readonly string[] },
): RoomChange<Addition> {
  return {
    roomId,
    make: async (tx) => {
      await lockRoom(tx, roomId)
      await requireRoomMember(tx, roomId, userId)
      const users = await requireRoomUsers(tx, userIds)
      const ids = users.map((user) => user.userId)
      const present = await roomMembersAmong(tx, roomId, ids)
      const newIds = ids.filter((id) => !present.has(id))
      await addingRules.require(tx, userId, newIds)
      const added = await insertRoomMembers(tx, roomId, ids)
      return { room: (await findRoom(tx, roomId)) as Room, users, added }
    },
    find: async (tx, { users, ...made }) => {
      await lockRoom(tx, roomId)
      const added = await findNewRoomMembers(tx, roomId, made.added)
      return added.length ? { room: (await findRoom(tx, roomId)) as Room, users, added } : undefined
    },
    onCommitted: ({ users, added }) => {
      const addedIds = new Set(added.map((member) => member.userId))
      for (const user of users) {
        if (addedIds.has(user.userId)) events.emit('room_member_added', { roomId, ...user })
      }
    },
  }
}

/** Removes a member from a room: the creator removes anyone else, a member themself. Emits `room_member_removed`. */
export function removalOfMember(
  { events }: { events: EventBus },
  { roomId, userId, targetId }: { roomId: string; userId: string; targetId: string },
): RoomChange<RoomUser & { seq: number | null }> {
  return {
    roomId,
    make: async (tx) => {
      const room = await lockRoom(tx, roomId)
      await requireRoomMember(tx, roomId, userId)
      const target = await requireRoomUser(tx, targetId)
      if (userId !== room?.creatorId && userId !== target.userId) throw new AppError('forbidden')
      if (target.userId === room?.creatorId) throw new AppError('creator_stays')
      if (!(await deleteRoomMember(tx, roomId, target.userId))) throw new AppError('not_found')
      return { ...target, seq: (await takeRoomSeq(tx, roomId)) as number }
    },
    find: async (tx, made) => {
      await lockRoom(tx, roomId)
      const isMember = await findRoomMember(tx, roomId, made.userId)
      // Later changes may have taken further values of `seq`.
      return isMember ? undefined : { ...made, seq: null }
    },
    onCommitted: (removed) => events.emit('room_member_removed', { roomId, ...removed }),
  }
}
