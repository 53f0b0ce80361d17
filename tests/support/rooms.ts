import type { Database } from '../../src/db/database.ts'
import { RoomPresence } from '../../src/domain/presence/room-presence.ts'
import { Rooms } from '../../src/domain/rooms/rooms.ts'
import { SendQueue, type SendQueueOptions } from '../../src/domain/sending/send-queue.ts'
import type { DomainEvents } from '../../src/domain/shared/events.ts'
import { PageTokens } from '../../src/domain/shared/pagination.ts'
import { Nodes } from '../../src/realtime/cluster/nodes.ts'
import { SingleNodeBackplane } from '../../src/realtime/cluster/single-node-backplane.ts'
import { Tracker } from '../../src/realtime/cluster/tracker.ts'
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

/** An emitted event, with its name. */
export type EmittedEvent = {
  [Name in (typeof CHANGES)[number]]: { name: Name } & DomainEvents[Name]
}[(typeof CHANGES)[number]]

/** The room services of one node, with the events that they emitted, in order. */
export function openRooms(db: Database, clock = new ManualClock(), queueOptions: SendQueueOptions = {}) {
  const events = openEventBus()
  const emitted: EmittedEvent[] = []
  for (const name of CHANGES) events.on(name, (event) => emitted.push({ name, ...event } as EmittedEvent))
  const files = openLibrary(db, { clock })
  const pageTokens = new PageTokens('a secret of thirty-two characters')
  const queue = new SendQueue(db, { clock, ...queueOptions })
  const rooms = new Rooms({ db, clock, queue, events, pageTokens, media: files.library })
  const nodes = new Nodes(new SingleNodeBackplane(), clock)
  const roomPresence = new RoomPresence({
    clock,
    events,
    connected: new Tracker('rooms', nodes, clock),
    typing: new Tracker('room-typing', nodes, clock),
  })
  return {
    db,
    clock,
    events,
    emitted,
    queue,
    rooms,
    roomPresence,
    media: files.library,
    fileCount: files.fileCount,
  }
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

/** Finds a user by UUID. */
export async function findPerson(db: Database, id: string): Promise<RoomPerson> {
  const rows = await db.rows<RoomPerson>(
    'select id::text, short_id as "shortId", username from users where id = $1',
    [id],
  )
  return rows[0] as RoomPerson
}
