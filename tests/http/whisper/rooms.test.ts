import { randomUUID } from 'node:crypto'
import { nanoid } from 'nanoid'
import { describe, expect, it } from 'vitest'
import { type SignedIn, startApi, type TestApi } from '../../support/api.ts'
import { findPerson } from '../../support/rooms.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'

const db = setUpDatabase()

const ROOMS = '/api/v1/chat/room-list/'
const NANOID = /^[\w-]{21}$/

async function threePeople() {
  const api = await startApi(db)
  const [ann, bob, eve] = await Promise.all([person(api, 'ann'), person(api, 'bob'), person(api, 'eve')])
  return { api, ann, bob, eve }
}

async function person(api: TestApi, name: string) {
  const signedIn: SignedIn = await api.register(name)
  return { ...(await findPerson(db, signedIn.user.id)), token: signedIn.auth_token }
}

type Member = Awaited<ReturnType<typeof person>>

function create(api: TestApi, { token }: { token: string }, room_name: unknown, user_ids?: unknown) {
  return api.send(`POST ${ROOMS}`, { token, body: { room_name, user_ids } })
}

describe('POST /api/v1/chat/room-list/', () => {
  it('creates a room, and returns short ids', async () => {
    const { api, ann, bob, eve } = await threePeople()
    const response = await create(api, ann, 'My New Room', [bob.shortId, eve.id, bob.id])
    expect(response.statusCode).toBe(201)
    expect(response.json()).toEqual({
      id: expect.stringMatching(NANOID),
      room_name: 'My New Room',
      users: expect.arrayContaining([ann.shortId, bob.shortId, eve.shortId]),
      creator: ann.shortId,
      created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    })
    expect(response.json().users).toHaveLength(3)
  })

  it('requires no members besides the creator', async () => {
    const { api, ann } = await threePeople()
    const response = await api.send(`POST ${ROOMS}`, { token: ann.token, body: { room_name: 'Alone' } })
    expect(response.json().users).toEqual([ann.shortId])
  })

  it('reports unknown ids', async () => {
    const { api, ann, bob } = await threePeople()
    const nobody = nanoid()
    const response = await create(api, ann, 'Chamber', [bob.id, nobody, 'x'])
    expect(response.statusCode).toBe(422)
    expect(response.json()).toMatchObject({
      error: { code: 'validation_failed' },
      errors: { user_ids: [`${nobody} is not a user`, 'x is not a user'] },
    })
  })

  it('rejects a taken name', async () => {
    const { api, ann, bob } = await threePeople()
    await create(api, ann, 'Chamber', [])
    const response = await create(api, bob, 'Chamber', [])
    expect(response.statusCode).toBe(409)
    expect(response.json().error).toEqual({
      code: 'room_exists',
      message: 'A room with this name already exists.',
    })
  })

  it.each([
    ['no name', {}, { room_name: ['is required'] }],
    ['a number as its name', { room_name: 7 }, { room_name: ['must be text'] }],
    [
      'a lookalike of a name',
      { room_name: 'C\u04bbamber' },
      { room_name: [expect.stringMatching('look alike')] },
    ],
    ['an invisible name', { room_name: '\u3164' }, { room_name: [expect.stringMatching('invisible')] }],
    ['an empty name', { room_name: ' ' }, { room_name: ['must have from 1 to 120 characters'] }],
    ['a text as its users', { room_name: 'x', user_ids: 'x' }, { user_ids: ['must be a list'] }],
    ['null as its users', { room_name: 'x', user_ids: null }, { user_ids: ['must be a list'] }],
    [
      'numbers as its users',
      { room_name: 'x', user_ids: [7] },
      { user_ids: ['has a value that must be text'] },
    ],
    [
      'too many users',
      { room_name: 'x', user_ids: Array.from({ length: 501 }, randomUUID) },
      { user_ids: ['must have at most 500 items'] },
    ],
  ])('rejects a room with %s', async (_what, body, errors) => {
    const { api, ann } = await threePeople()
    const response = await api.send(`POST ${ROOMS}`, { token: ann.token, body })
    expect(response.statusCode).toBe(422)
    expect(response.json().errors).toEqual(errors)
  })
})

describe('GET /api/v1/chat/room-list/', () => {
  it('lists all rooms to every user, newest first', async () => {
    const { api, ann, bob, eve } = await threePeople()
    const one = (await create(api, ann, 'one', [bob.id])).json()
    const two = (await create(api, bob, 'two', [])).json()
    const response = await api.send(`GET ${ROOMS}`, { token: eve.token })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual([two, one])
    expect(response.headers['cache-control']).toBe('no-store')
  })

  it('returns the requested page', async () => {
    const { api, ann } = await threePeople()
    const rooms = []
    for (const name of ['one', 'two', 'three']) rooms.unshift((await create(api, ann, name, [])).json())
    const list = async (query: string) =>
      (await api.send(`GET ${ROOMS}?${query}`, { token: ann.token })).json()
    expect(await list('limit=2')).toEqual(rooms.slice(0, 2))
    expect(await list(`before=${rooms[0].id}`)).toEqual(rooms.slice(1))
    expect(await list(`before=${rooms[0].id}&limit=1`)).toEqual(rooms.slice(1, 2))
  })

  it('lists a hundred rooms by default', async () => {
    const { api, ann } = await threePeople()
    await db.rows(
      `insert into rooms (id, name, creator_id, inserted_at)
      select lpad(n::text, 21, '0'), 'Room ' || n, $1, now() + n * interval '1 second' from generate_series(1, 150) n`,
      [ann.id],
    )
    const page = (await api.send(`GET ${ROOMS}`, { token: ann.token })).json()
    expect([page.length, page[0].room_name, page[99].room_name]).toEqual([100, 'Room 150', 'Room 51'])
    const rest = (await api.send(`GET ${ROOMS}?before=${page[99].id}`, { token: ann.token })).json()
    expect([rest.length, rest[0].room_name]).toEqual([50, 'Room 50'])
  })

  it.each(['limit=0', 'limit=x', 'limit=101', 'before=x', 'before=', 'before=%00', 'limit=1&limit=2'])(
    'rejects ?%s',
    async (query) => {
      const { api, ann } = await threePeople()
      const response = await api.send(`GET ${ROOMS}?${query}`, { token: ann.token })
      expect(response.statusCode).toBe(422)
      expect(Object.keys(response.json().errors)).toEqual([query.split('=')[0]])
    },
  )
})

describe('POST /api/v1/chat/rooms/:room_id/users/', () => {
  const add = (api: TestApi, { token }: Member, room: string, user_ids: unknown) =>
    api.send(`POST /api/v1/chat/rooms/${room}/users/`, { token, body: { user_ids } })

  it('adds users for any member, and returns the room', async () => {
    const { api, ann, bob, eve } = await threePeople()
    const room = (await create(api, ann, 'Chamber', [bob.id])).json()
    const response = await add(api, bob, room.id, [eve.shortId, ann.id])
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({ ...room, users: [...room.users, eve.shortId] })
  })

  it('rejects non-members, unknown rooms and users, and invalid bodies', async () => {
    const { api, ann, bob, eve } = await threePeople()
    const { id } = (await create(api, ann, 'Chamber', [bob.id])).json()
    const byNonMember = await add(api, eve, id, [eve.id])
    expect([byNonMember.statusCode, byNonMember.json().error.code]).toEqual([403, 'not_member'])
    for (const room of [nanoid(), 'x', '%00', encodeURIComponent('🦦')]) {
      const response = await add(api, ann, room, [eve.id])
      expect([response.statusCode, response.json().error.code]).toEqual([404, 'no_room'])
    }
    const unknown = await add(api, ann, id, ['x'])
    expect([unknown.statusCode, unknown.json().errors]).toEqual([422, { user_ids: ['x is not a user'] }])
    for (const odd of [undefined, null, 'x', 7, {}, [7], [null]]) {
      expect((await add(api, ann, id, odd)).statusCode).toBe(422)
    }
  })
})

describe('DELETE /api/v1/chat/rooms/:room_id/users/:user_id/', () => {
  const remove = (api: TestApi, { token }: Member, room: string, user: string) =>
    api.send(`DELETE /api/v1/chat/rooms/${room}/users/${user}/`, { token })

  it('allows the creator to remove anyone by either id, and members to remove themselves', async () => {
    const { api, ann, bob, eve } = await threePeople()
    const { id } = (await create(api, ann, 'Chamber', [bob.id, eve.id])).json()
    const response = await remove(api, ann, id, bob.shortId)
    expect([response.statusCode, response.body]).toEqual([204, ''])
    expect((await remove(api, eve, id, eve.id)).statusCode).toBe(204)
    const [room] = (await api.send(`GET ${ROOMS}`, { token: bob.token })).json()
    expect(room.users).toEqual([ann.shortId])
  })

  it('rejects other members, the creator as the target, and targets who are not members', async () => {
    const { api, ann, bob, eve } = await threePeople()
    const { id } = (await create(api, ann, 'Chamber', [bob.id])).json()
    const outcome = async (who: Member, room: string, user: string) => {
      const response = await remove(api, who, room, user)
      return [response.statusCode, response.json().error.code]
    }
    expect(await outcome(bob, id, ann.id)).toEqual([403, 'forbidden'])
    expect(await outcome(eve, id, bob.id)).toEqual([403, 'not_member'])
    expect(await outcome(ann, id, ann.id)).toEqual([409, 'creator_stays'])
    expect(await outcome(ann, id, eve.id)).toEqual([404, 'not_found'])
    expect(await outcome(ann, id, '%00')).toEqual([404, 'not_found'])
    expect(await outcome(ann, nanoid(), bob.id)).toEqual([404, 'no_room'])
  })
})
