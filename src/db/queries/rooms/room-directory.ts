import { and, asc, desc, eq, exists, gt, notExists, or, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { roomMembers, rooms, users } from '../../schema.ts'
import { hasPartOfName, hasPartOfUsername } from '../accounts/name-search.ts'
import { hasEmail, summary } from '../accounts/users.ts'
import { isOlderThan, type RoomListQuery } from './rooms.ts'

/** A room in a list. */
export interface RoomEntry {
  id: string
  name: string
  /** The username of the creator. */
  creator: string
  memberCount: number
}

/** A user in a list. */
export interface RoomPerson {
  shortId: string
  username: string
  displayName: string
  /** Whether their email was ever verified. */
  confirmed: boolean
}

const person = {
  shortId: users.shortId,
  username: users.username,
  displayName: users.displayName,
  confirmed: summary.confirmed,
}

/** The rooms that a user is in, or those they are not in, newest first. */
export function listRoomEntries(
  db: Orm,
  { userId, isMember, before, limit }: RoomListQuery & { userId: string; isMember: boolean },
): Promise<RoomEntry[]> {
  const membership = db
    .select()
    .from(roomMembers)
    .where(and(eq(roomMembers.roomId, rooms.id), eq(roomMembers.userId, userId)))
  return db
    .select({ id: rooms.id, name: rooms.name, creator: users.username, memberCount: MEMBER_COUNT })
    .from(rooms)
    .innerJoin(users, eq(users.id, rooms.creatorId))
    .where(and(isMember ? exists(membership) : notExists(membership), isOlderThan(before)))
    .orderBy(desc(rooms.insertedAt), desc(rooms.id))
    .limit(limit)
}

/** The members of a room by username, starting after the username `after`. */
export function listRoomPeople(
  db: Orm,
  { roomId, after, limit }: { roomId: string; after: string; limit: number },
): Promise<RoomPerson[]> {
  return db
    .select(person)
    .from(roomMembers)
    .innerJoin(users, eq(users.id, roomMembers.userId))
    .where(and(eq(roomMembers.roomId, roomId), gt(users.username, after)))
    .orderBy(asc(users.username))
    .limit(limit)
}

/** Users who are not in a room, by username. Matches a part of the username or of a display name without an email, or the whole email. */
export function searchInviteCandidates(
  db: Orm,
  { roomId, search, limit }: { roomId: string; search: string; limit: number },
): Promise<RoomPerson[]> {
  const membership = db
    .select()
    .from(roomMembers)
    .where(and(eq(roomMembers.roomId, roomId), eq(roomMembers.userId, users.id)))
  const isMatch = or(hasPartOfUsername(search), hasPartOfName(search), hasEmail(search))
  return db
    .select(person)
    .from(users)
    .where(and(notExists(membership), isMatch))
    .orderBy(asc(users.username))
    .limit(limit)
}

const MEMBER_COUNT = sql<number>`(select count(*)::int from room_members m where m.room_id = ${rooms.id})`
