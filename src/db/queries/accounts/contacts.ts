import { eq, type SQL, type SQLWrapper, sql } from 'drizzle-orm'
import { alias, union } from 'drizzle-orm/pg-core'
import type { Orm } from '../../database.ts'
import { members, roomMembers } from '../../schema.ts'

/** Whether two users share a conversation or a room. Takes SQL expressions of their ids. */
export function areContacts(one: SQLWrapper, other: SQLWrapper): SQL {
  return sql`(exists (
    select from members own join members theirs on theirs.conversation_id = own.conversation_id
    where own.user_id = ${one} and theirs.user_id = ${other}
  ) or exists (
    select from room_members own join room_members theirs on theirs.room_id = own.room_id
    where own.user_id = ${one} and theirs.user_id = ${other}
  ))`
}

/** The users who share a conversation or a room with a user, including that user. */
export function contactsOf(orm: Orm, userId: string) {
  const own = alias(members, 'own')
  const ownRooms = alias(roomMembers, 'own_rooms')
  const inConversations = orm
    .select({ id: members.userId })
    .from(own)
    .innerJoin(members, eq(members.conversationId, own.conversationId))
    .where(eq(own.userId, userId))
  const inRooms = orm
    .select({ id: roomMembers.userId })
    .from(ownRooms)
    .innerJoin(roomMembers, eq(roomMembers.roomId, ownRooms.roomId))
    .where(eq(ownRooms.userId, userId))
  return union(inConversations, inRooms)
}
