import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { listContacts, listUsers } from '../../src/db/queries/accounts/directory.ts'
import { listRoomEntries, searchInviteCandidates } from '../../src/db/queries/rooms/room-directory.ts'
import { listRooms } from '../../src/db/queries/rooms/rooms.ts'
import { openTestDatabase } from '../support/database.ts'
import { rowsReadOf } from '../support/query-plans.ts'

const COUNT = 20_000
const BATCH = 1_000
const PAGE = 20
const ROOM = 'room-10000'

/** Only PostgreSQL plans by what it knows of tables of this size. */
describe.runIf(process.env.DATABASE_URL)(`with ${COUNT} users and rooms`, () => {
  let db: Database
  let caller: string

  beforeAll(async () => {
    db = await openTestDatabase()
    for (let first = 1; first < COUNT; first += BATCH) await addUsers(first)
    const [user] = await db.rows<{ id: string }>(`select id from users where short_id = 'short-7'`, [])
    caller = user!.id
    await db.rows(
      `insert into rooms (id, name, creator_id, inserted_at)
      select 'room-' || n, 'Room ' || n, $1, now() + n * interval '1 second' from generate_series(1, $2::int) n`,
      [caller, COUNT],
    )
    await db.rows(
      `insert into room_members (room_id, user_id)
      select $1, id from users where short_id in ('short-7', 'short-8', 'short-9')`,
      [ROOM],
    )
    await db.rows('analyze', [])
  }, 240_000)
  afterAll(() => db.close())

  /** Every other one has a display name, the rest go by the email. */
  function addUsers(first: number) {
    return db.rows(
      `insert into users (id, short_id, email, username, display_name)
      select gen_random_uuid(), 'short-' || n, email, 'user-' || md5(n::text),
        case when n % 2 = 0 then 'Name ' || md5('name' || n) else email end
      from (select n, 'person' || n || '@example.com' as email from generate_series($1::int, $2::int) n) people`,
      [first, first + BATCH - 1],
    )
  }

  const searches = [
    '%',
    '_',
    '%%%',
    '🦊',
    'zz',
    'zzz',
    'qqqqq',
    'person4999',
    'example.com',
    'p',
    'e',
    '. c',
    '..c',
  ]

  it.each(searches)('a search for %j reads a small part of the users', async (search) => {
    const query = { caller, search, before: undefined, limit: PAGE }
    expect(await rowsReadOf('users', db, () => listUsers(db.orm, query))).toBeLessThan(COUNT / 20)
  })

  it.each([...searches, ''])(
    'a search for %j with DIRECTORY=members reads a small part of the users',
    async (search) => {
      const query = { caller, search, before: undefined, limit: PAGE }
      expect(await rowsReadOf('users', db, () => listContacts(db.orm, query))).toBeLessThan(COUNT / 20)
    },
  )

  it.each(searches)('a search of a room member for %j reads a small part of the users', async (search) => {
    const query = { roomId: ROOM, search, limit: PAGE }
    expect(await rowsReadOf('users', db, () => searchInviteCandidates(db.orm, query))).toBeLessThan(
      COUNT / 20,
    )
  })

  it.each([undefined, 'room-15000', 'room-100'])(
    'a page of rooms before %s reads only its rooms',
    async (before) => {
      const query = { before, limit: 100 }
      expect(await rowsReadOf('rooms', db, () => listRooms(db.orm, query))).toBeLessThan(250)
      for (const isMember of [true, false]) {
        const entries = () => listRoomEntries(db.orm, { userId: caller, isMember, ...query })
        expect(await rowsReadOf('rooms', db, entries)).toBeLessThan(250)
      }
    },
  )
})
