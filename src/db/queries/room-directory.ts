import { and, asc, desc, eq, exists, notExists, or, type SQL, sql } from 'drizzle-orm'
import type { Orm } from '../database.ts'
import { roomMembers, rooms, users } from '../schema.ts'

/** A room as a list for people names it. */
export interface RoomEntry {
  id: string
  name: string
  /** The username. */
  creator: string
  memberCount: number
}

/** A user as a list for people names one. */
export interface RoomPerson {
  shortId: string
  username: string
  displayName: string
}

const person = { shortId: users.shortId, username: users.username, displayName: users.displayName }

/** The rooms that a user is in, or those they are not in, newest first. */
export function listRoomEntries(
  db: Orm,
  { userId, isMember, limit }: { userId: string; isMember: boolean; limit: number },
): Promise<RoomEntry[]> {
  const membership = db
    .select()
    .from(roomMembers)
    .where(and(eq(roomMembers.roomId, rooms.id), eq(roomMembers.userId, userId)))
  return db
    .select({ id: rooms.id, name: rooms.name, creator: users.username, memberCount: MEMBER_COUNT })
    .from(rooms)
    .innerJoin(users, eq(users.id, rooms.creatorId))
    .where(isMember ? exists(membership) : notExists(membership))
    .orderBy(desc(rooms.insertedAt), desc(rooms.id))
    .limit(limit)
}

/** The members of a room, by name. */
export function listRoomPeople(db: Orm, roomId: string): Promise<RoomPerson[]> {
  return db
    .select(person)
    .from(roomMembers)
    .innerJoin(users, eq(users.id, roomMembers.userId))
    .where(eq(roomMembers.roomId, roomId))
    .orderBy(asc(users.username))
}

/** Users who are not in a room, and in whose names or address the text occurs, by name. */
export function searchOutsiders(
  db: Orm,
  { roomId, search, limit }: { roomId: string; search: string; limit: number },
): Promise<RoomPerson[]> {
  const membership = db
    .select()
    .from(roomMembers)
    .where(and(eq(roomMembers.roomId, roomId), eq(roomMembers.userId, users.id)))
  const isMeant = or(...[users.username, users.displayName, users.email].map((one) => contains(one, search)))
  return db
    .select(person)
    .from(users)
    .where(and(notExists(membership), isMeant))
    .orderBy(asc(users.username))
    .limit(limit)
}

const MEMBER_COUNT = sql<number>`(select count(*)::int from room_members m where m.room_id = ${rooms.id})`

type NameColumn = typeof users.username | typeof users.displayName | typeof users.email

/** A search, in which no character is a wildcard. */
function contains(column: NameColumn, text: string): SQL {
  return sql`strpos(lower(${column}), lower(${text})) > 0`
}
