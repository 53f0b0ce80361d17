import { and, desc, eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { roomMembers, rooms, users } from '../../schema.ts'

/** A room with the short ids of its creator and its members, in the order in which they were added. */
export interface Room {
  id: string
  name: string
  creator: string
  members: string[]
  insertedAt: Date
}

/** A user with the ids and the name that rooms use. */
export interface RoomUser {
  userId: string
  shortId: string
  username: string
}

/** Which page of the rooms to list. */
export interface RoomListQuery {
  /** Only rooms older than this one. */
  before?: string | undefined
  limit: number
}

const roomUser = { userId: users.id, shortId: users.shortId, username: users.username }

/** Adds a room; false if its name is taken, or if it was already added. */
export async function insertRoom(
  tx: Orm,
  room: { id: string; name: string; creatorId: string },
): Promise<boolean> {
  const rows = await tx.insert(rooms).values(room).onConflictDoNothing().returning({ id: rooms.id })
  return rows.length > 0
}

/** Rooms, newest first. */
export function listRooms(db: Orm, { before, limit }: RoomListQuery): Promise<Room[]> {
  return selectRooms(db, isOlderThan(before)).orderBy(desc(rooms.insertedAt), desc(rooms.id)).limit(limit)
}

export async function findRoom(db: Orm, id: string): Promise<Room | undefined> {
  const [room] = await selectRooms(db, eq(rooms.id, id))
  return room
}

/** Locks the room until the transaction ends: neither its members nor its messages change meanwhile. */
export async function lockRoom(tx: Orm, id: string): Promise<{ creatorId: string } | undefined> {
  const [row] = await tx
    .select({ creatorId: rooms.creatorId })
    .from(rooms)
    .where(eq(rooms.id, id))
    .for('update')
  return row
}

/** Locks rooms like `lockRoom`, in the order of their ids. */
export async function lockRooms(tx: Orm, ids: readonly string[]): Promise<void> {
  const isOne = inArray(rooms.id, [...ids])
  await tx.select({ id: rooms.id }).from(rooms).where(isOne).orderBy(rooms.id).for('update')
}

/** Locks the room like `lockRoom` and takes its next `seq`; undefined if there is no such room. */
export async function takeRoomSeq(tx: Orm, id: string): Promise<number | undefined> {
  const [row] = await tx
    .update(rooms)
    .set({ lastSeq: sql`${rooms.lastSeq} + 1` })
    .where(eq(rooms.id, id))
    .returning({ seq: rooms.lastSeq })
  return row?.seq
}

/** The user as a member of a room; null if they are not one, undefined if there is no such room. */
export async function findRoomMember(
  db: Orm,
  roomId: string,
  userId: string,
): Promise<RoomUser | null | undefined> {
  const isTheirs = and(eq(roomMembers.roomId, rooms.id), eq(roomMembers.userId, userId))
  const [row] = await db
    .select({ member: roomUser })
    .from(rooms)
    .leftJoin(roomMembers, isTheirs)
    .leftJoin(users, eq(users.id, roomMembers.userId))
    .where(eq(rooms.id, roomId))
  return row && (row.member as RoomUser | null)
}

/** A new member of a room, and when they were added. */
export interface NewRoomMember {
  userId: string
  insertedAt: Date
}

const newRoomMember = { userId: roomMembers.userId, insertedAt: roomMembers.insertedAt }

/** Adds the users who are not members yet, all with the same time, and returns them. */
export async function insertRoomMembers(
  tx: Orm,
  roomId: string,
  userIds: string[],
): Promise<NewRoomMember[]> {
  if (userIds.length === 0) return []
  return tx
    .insert(roomMembers)
    .values(userIds.map((userId) => ({ roomId, userId })))
    .onConflictDoNothing()
    .returning(newRoomMember)
}

/** Returns those of the given new members who are still members since then. */
export async function findNewRoomMembers(
  db: Orm,
  roomId: string,
  added: readonly NewRoomMember[],
): Promise<NewRoomMember[]> {
  const [first] = added
  if (!first) return []
  const isSince = and(eq(roomMembers.roomId, roomId), eq(roomMembers.insertedAt, first.insertedAt))
  const ids = added.map(({ userId }) => userId)
  return db
    .select(newRoomMember)
    .from(roomMembers)
    .where(and(isSince, inArray(roomMembers.userId, ids)))
}

/** The latest `seq` of each of these rooms that exists. */
export async function roomPositions(
  db: Orm,
  ids: readonly string[],
): Promise<{ id: string; lastSeq: number }[]> {
  if (ids.length === 0) return []
  return db
    .select({ id: rooms.id, lastSeq: rooms.lastSeq })
    .from(rooms)
    .where(inArray(rooms.id, [...ids]))
}

/** Which of some users are members of a room. */
export async function roomMembersAmong(
  db: Orm,
  roomId: string,
  userIds: readonly string[],
): Promise<Set<string>> {
  if (userIds.length === 0) return new Set()
  const rows = await db
    .select({ userId: roomMembers.userId })
    .from(roomMembers)
    .where(and(eq(roomMembers.roomId, roomId), inArray(roomMembers.userId, [...userIds])))
  return new Set(rows.map(({ userId }) => userId))
}

/** Removes a member; false if they were not one. */
export async function deleteRoomMember(tx: Orm, roomId: string, userId: string): Promise<boolean> {
  const rows = await tx
    .delete(roomMembers)
    .where(and(eq(roomMembers.roomId, roomId), eq(roomMembers.userId, userId)))
    .returning({ userId: roomMembers.userId })
  return rows.length > 0
}

/** The users with these UUIDs or short ids. */
export async function findRoomUsers(
  db: Orm,
  { uuids, shortIds }: { uuids: string[]; shortIds: string[] },
): Promise<RoomUser[]> {
  const byId = uuids.length ? await db.select(roomUser).from(users).where(inArray(users.id, uuids)) : []
  if (shortIds.length === 0) return byId
  const byShortId = await db.select(roomUser).from(users).where(inArray(users.shortId, shortIds))
  return [...byId, ...byShortId]
}

function selectRooms(db: Orm, condition: SQL | undefined) {
  return db
    .select({
      id: rooms.id,
      name: rooms.name,
      creator: users.shortId,
      members: MEMBERS,
      insertedAt: rooms.insertedAt,
    })
    .from(rooms)
    .innerJoin(users, eq(users.id, rooms.creatorId))
    .where(condition)
    .$dynamic()
}

/** Members with the same time are ordered by user id. */
const MEMBERS = sql<string[]>`array(
  select u.short_id from room_members m join users u on u.id = m.user_id
  where m.room_id = ${rooms.id} order by m.inserted_at, m.user_id)`

/** Whether a room is listed after the given one. Rooms with the same creation time are ordered by id. */
export function isOlderThan(id: string | undefined): SQL | undefined {
  // One subquery for both columns could not use the index.
  const insertedAt = sql`(select r.inserted_at from rooms r where r.id = ${id})`
  return id === undefined ? undefined : sql`(${rooms.insertedAt}, ${rooms.id}) < (${insertedAt}, ${id}::text)`
}
