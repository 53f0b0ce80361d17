import type { Database } from '../../src/db/database.ts'
import type { DomainEvents } from '../../src/domain/events.ts'
import { PageTokens } from '../../src/domain/pagination.ts'
import { RoomLife } from '../../src/domain/room-life.ts'
import { Rooms } from '../../src/domain/rooms.ts'
import { LocalBackplane } from '../../src/infra/local-backplane.ts'
import { Nodes } from '../../src/realtime/nodes.ts'
import { Tracker } from '../../src/realtime/tracker.ts'
import { addUser } from './account-services.ts'
import { ManualClock } from './clock.ts'
import { openEventBus } from './event-bus.ts'
import { openLibrary } from './media-library.ts'

const CHANGES = [
  'room_message',
  'room_member_added',
  'room_member_removed',
  'room_online',
  'room_typing',
] as const

/** An event as it was emitted, under its name. */
export type Told = {
  [Name in (typeof CHANGES)[number]]: { name: Name } & DomainEvents[Name]
}[(typeof CHANGES)[number]]

/** One node's rooms, with what they told others, in order. */
export function openRooms(db: Database, clock = new ManualClock()) {
  const events = openEventBus()
  const told: Told[] = []
  for (const name of CHANGES) events.on(name, (event) => told.push({ name, ...event } as Told))
  const files = openLibrary(db, { clock })
  const pageTokens = new PageTokens('a secret of thirty-two characters')
  const rooms = new Rooms({ db, clock, events, pageTokens, media: files.library })
  const nodes = new Nodes(LocalBackplane.alone(), clock)
  const roomLife = new RoomLife({
    clock,
    events,
    visits: new Tracker('rooms', nodes, clock),
    typing: new Tracker('room-typing', nodes, clock),
  })
  return { db, clock, events, told, rooms, roomLife, media: files.library, fileCount: files.fileCount }
}

export type RoomNode = ReturnType<typeof openRooms>

/** A user with both ids, and the name that rooms show. */
export interface RoomPerson {
  id: string
  shortId: string
  username: string
}

/** Adds a user by name. */
export async function addPerson(db: Database, name: string): Promise<RoomPerson> {
  return findPerson(db, await addUser(db, `${name}@example.com`))
}

/** The rest of a user, by their UUID. */
export async function findPerson(db: Database, id: string): Promise<RoomPerson> {
  const rows = await db.rows<RoomPerson>(
    'select id::text, short_id as "shortId", username from users where id = $1',
    [id],
  )
  return rows[0] as RoomPerson
}
