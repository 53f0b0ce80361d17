import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { type Database, openDatabase } from '../../src/db/database.ts'
import { PageTokens } from '../../src/domain/pagination.ts'
import { Rooms } from '../../src/domain/rooms.ts'
import { type CutAt, CuttingProxy } from '../support/cutting-proxy.ts'
import { createTestDatabase, truncateAll } from '../support/database.ts'
import { openEventBus } from '../support/event-bus.ts'
import { png } from '../support/media.ts'
import { openLibrary } from '../support/media-library.ts'
import { addPerson, openRooms, type RoomPerson } from '../support/rooms.ts'

const server = process.env.DATABASE_URL ?? ''

describe.runIf(server)('when the connection to the database is lost while a post is committed', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  /** The database by a way that stays. */
  let db: Database
  let ann: RoomPerson
  let roomId: string

  beforeAll(async () => {
    database = await createTestDatabase(server)
    db = await openDatabase({ kind: 'postgres', url: database.url, poolSize: 4 })
  })
  afterAll(async () => {
    await db.close()
    await database.drop()
  })
  beforeEach(async () => {
    await truncateAll(db)
    ann = await addPerson(db, 'ann')
    roomId = (await openRooms(db).rooms.create(ann.id, { name: 'Chamber', userIds: [] })).id
  })

  /** A node that reaches the database by a proxy. */
  async function openNode() {
    const proxy = await CuttingProxy.start(database.url)
    const proxied = await openDatabase({ kind: 'postgres', url: proxy.url, poolSize: 2 })
    onTestFinished(async () => {
      // postgres.js is slow to end a connection that was lost and never used again.
      await Promise.all([1, 2].map(() => proxied.rows('select pg_sleep(0.01)', [])))
      await proxied.close()
      await proxy.close()
    })
    const events = openEventBus()
    const told: number[] = []
    events.on('room_message', ({ seq }) => told.push(seq))
    const { library, fileCount } = openLibrary(proxied)
    const pageTokens = new PageTokens('a secret of thirty-two characters')
    const rooms = new Rooms({ db: proxied, clock: systemClock, events, pageTokens, media: library })
    return { proxy, rooms, library, fileCount, told }
  }

  it.each<CutAt>(['before', 'answer'])('a text is stored and told once (cut: %s)', async (at) => {
    const { proxy, rooms, told } = await openNode()
    const cut = proxy.cut('commit', at)
    const message = await rooms.post(roomId, ann.id, { text: 'Hello' })
    await cut
    const { items } = await rooms.history(roomId, ann.id)
    expect(items).toEqual([message])
    expect(message.seq).toBe(1)
    expect(told).toEqual([1])
  })

  it.each<CutAt>(['before', 'answer'])('a file is stored and told once (cut: %s)', async (at) => {
    const { proxy, rooms, library, fileCount, told } = await openNode()
    const media = await library.receive([png()], { roomId, ownerId: ann.id })
    const cut = proxy.cut('commit', at)
    const message = await rooms.post(roomId, ann.id, { media })
    await cut
    expect(message.media?.id).toBe(media.id)
    expect(told).toEqual([1])
    expect(fileCount()).toBe(1)
    expect(await db.rows('select 1 from media', [])).toHaveLength(1)
  })
})
