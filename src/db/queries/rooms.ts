import { and, desc, eq, inArray, type SQL, sql } from 'drizzle-orm'
import type { Database, Orm } from '../database.ts'
import { roomMembers, rooms, users } from '../schema.ts'
import { textArray, uuidArray } from './array-literal.ts'
import type { Membership } from './members.ts'

/** A room as everyone may see it: its creator and members by their short ids, the first member first. */
export interface Room {
  id: string
  name: string
  creator: string
  members: string[]
  insertedAt: Date
}

/** A user as rooms know one. */
export interface RoomUser {
  userId: string
  shortId: string
  username: string
}

/** Which rooms to list: all, or a page of them. */
export interface RoomListQuery {
  /** Only rooms older than this one. */
  before?: string | undefined
  limit?: number | undefined
}

const roomUser = { userId: users.id, shortId: users.shortId, username: users.username }

export async function insertRoom(
  tx: Orm,
  room: { id: string; name: string; creatorId: string },
): Promise<void> {
  await tx.insert(rooms).values(room)
}

/** Rooms, newest first. */
export function listRooms(db: Orm, { before, limit }: RoomListQuery): Promise<Room[]> {
  const query = selectRooms(db, before === undefined ? undefined : isOlderThan(before))
  const ordered = query.orderBy(desc(rooms.insertedAt), desc(rooms.id))
  return limit === undefined ? ordered : ordered.limit(limit)
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

/** Locks the room in the same way, and takes the next place in its order; undefined without a room. */
export async function takeRoomSeq(tx: Orm, id: string): Promise<number | undefined> {
  const [row] = await tx
    .update(rooms)
    .set({ lastSeq: sql`${rooms.lastSeq} + 1` })
    .where(eq(rooms.id, id))
    .returning({ seq: rooms.lastSeq })
  return row?.seq
}

/** The user as a member of a room; null when they are none, undefined when there is no such room. */
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

/** Adds those who are not members yet, and returns the ids of these. */
export async function insertRoomMembers(tx: Orm, roomId: string, userIds: string[]): Promise<string[]> {
  if (userIds.length === 0) return []
  const rows = await tx
    .insert(roomMembers)
    .values(userIds.map((userId) => ({ roomId, userId })))
    .onConflictDoNothing()
    .returning({ userId: roomMembers.userId })
  return rows.map(({ userId }) => userId)
}

/** Those of some memberships of rooms that are not there. */
export function roomMembershipsMissing(db: Database, asked: readonly Membership[]): Promise<Membership[]> {
  return db.rows(
    `select place_id as "placeId", user_id as "userId"
    from unnest($1::text[], $2::uuid[]) as asked (place_id, user_id)
    where not exists (select from room_members m where m.room_id = place_id and m.user_id = asked.user_id)`,
    [textArray(asked.map(({ placeId }) => placeId)), uuidArray(asked.map(({ userId }) => userId))],
  )
}

/** The places of the latest changes of some rooms. */
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

/** Takes a member out; false for somebody who was none. */
export async function deleteRoomMember(tx: Orm, roomId: string, userId: string): Promise<boolean> {
  const rows = await tx
    .delete(roomMembers)
    .where(and(eq(roomMembers.roomId, roomId), eq(roomMembers.userId, userId)))
    .returning({ userId: roomMembers.userId })
  return rows.length > 0
}

/** The users with these ids, long or short. */
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

/** Those who were added together are in the order of their accounts. */
const MEMBERS = sql<string[]>`array(
  select u.short_id from room_members m join users u on u.id = m.user_id
  where m.room_id = ${rooms.id} order by m.inserted_at, m.user_id)`

/** Rooms that were made at the same moment are in the order of their ids. */
function isOlderThan(id: string): SQL {
  return sql`(${rooms.insertedAt}, ${rooms.id}) < (select r.inserted_at, r.id from rooms r where r.id = ${id})`
}
