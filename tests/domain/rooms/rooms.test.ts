import { randomUUID } from 'node:crypto'
import { nanoid } from 'nanoid'
import { beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/errors.ts'
import { resultOf } from '../../support/chat-services.ts'
import { addPerson, openRooms, type RoomNode, type RoomPerson } from '../../support/rooms.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const db = setUpEmptyDatabase()
let node: RoomNode
let [ann, bob, eve]: RoomPerson[] = []

beforeEach(async () => {
  node = openRooms(db)
  ann = await addPerson(db, 'ann')
  bob = await addPerson(db, 'bob')
  eve = await addPerson(db, 'eve')
})

const create = (name: string, ...users: string[]) => node.rooms.create(ann!.id, { name, userIds: users })

async function fieldsOf(promise: Promise<unknown>): Promise<unknown> {
  const error = await promise.catch((thrown) => thrown)
  return error instanceof AppError ? error.fields : error
}

describe('the permission to add a user', () => {
  const allow = (person: RoomPerson, who: string) =>
    db.rows('update profiles set who_can_add = $2 where user_id = $1', [person.id, who])

  it('is checked when a room is created and when members are added, but not for present members', async () => {
    const room = await create('Chamber', bob!.id)
    for (const person of [ann!, bob!, eve!]) await allow(person, 'nobody')
    expect(await resultOf(create('Other', eve!.shortId))).toBe('not_allowed_to_add')
    const add = (...ids: string[]) => resultOf(node.rooms.addMembers(room.id, bob!.id, ids))
    expect(await add(ann!.id, eve!.id)).toBe('not_allowed_to_add')
    expect(await add(ann!.id)).toBe('ok')
    expect((await node.rooms.list()).map(({ members }) => members)).toEqual([[ann!.shortId, bob!.shortId]])
  })

  it('is granted to users who share a room or a conversation', async () => {
    await allow(eve!, 'contacts')
    expect(await resultOf(create('Chamber', eve!.id))).toBe('not_allowed_to_add')
    await node.rooms.create(eve!.id, { name: 'Shared', userIds: [ann!.id] })
    expect(await resultOf(create('Chamber', eve!.id))).toBe('ok')
  })
})

describe('creating a room', () => {
  it('always adds the creator, and accepts both kinds of ids', async () => {
    const room = await create('  Chamber ', bob!.shortId, eve!.id.toUpperCase(), bob!.id, ann!.shortId)
    expect(room).toEqual({
      id: expect.stringMatching(/^[\w-]{21}$/),
      name: 'Chamber',
      creator: ann!.shortId,
      members: [ann!.shortId, bob!.shortId, eve!.shortId],
      insertedAt: expect.any(Date),
    })
    expect((await create('Alone')).members).toEqual([ann!.shortId])
  })

  it('reports every unknown id, and creates nothing', async () => {
    const odd = ['', 'x', nanoid(), randomUUID(), '__proto__', '\0', '\ud800', 'x'.repeat(21)]
    const fields = await fieldsOf(create('Chamber', bob!.id, ...odd))
    expect(fields).toEqual({ user_ids: odd.map((id) => `${id} is not a user`) })
    expect(await node.rooms.list()).toEqual([])
  })

  it('rejects a name that is taken, also concurrently', async () => {
    await create('Chamber')
    expect(await resultOf(create(' Chamber '))).toBe('room_exists')
    const rivals = await Promise.all([1, 2, 3].map(() => resultOf(create('Other'))))
    expect(rivals.sort()).toEqual(['ok', 'room_exists', 'room_exists'])
  })

  it.each([
    ['that is empty', '', 'must have from 1 to 120 characters'],
    ['that is blank', ' \n', 'must have from 1 to 120 characters'],
    ['of 121 characters', '🦦'.repeat(121), 'must have from 1 to 120 characters'],
    ['with a NUL', 'nul \0', 'has characters that cannot be stored'],
    ['with half a character', 'half \ud83e', 'has characters that cannot be stored'],
  ])('rejects a name %s', async (_what, name, message) => {
    expect(await fieldsOf(create(name))).toEqual({ room_name: [message] })
  })

  it('accepts a name of 120 characters', async () => {
    expect((await create('🦦'.repeat(120))).name).toHaveLength(240)
  })
})

describe('the list of rooms', () => {
  it('contains all rooms, newest first, or the requested page', async () => {
    for (const name of ['one', 'two', 'three', 'four']) await create(name, bob!.id)
    const all = await node.rooms.list()
    expect(all.map(({ name }) => name)).toEqual(['four', 'three', 'two', 'one'])
    expect(all[0]).toMatchObject({ creator: ann!.shortId, members: [ann!.shortId, bob!.shortId] })
    const page = await node.rooms.list({ before: all[1]!.id, limit: 1 })
    expect(page.map(({ name }) => name)).toEqual(['two'])
    expect(await node.rooms.list({ before: all[3]!.id })).toEqual([])
  })

  it('requires an existing room as its cursor', async () => {
    for (const before of ['', 'x', '\0', nanoid()]) {
      expect(await fieldsOf(node.rooms.list({ before }))).toEqual({ before: ['must be the id of a room'] })
    }
  })
})

describe('adding members', () => {
  it('is allowed to members, ignores present members, and emits an event for each new one', async () => {
    const { id } = await create('Chamber', bob!.id)
    const room = await node.rooms.addMembers(id, bob!.id, [eve!.shortId, eve!.id, ann!.id])
    expect(room.members).toEqual([ann!.shortId, bob!.shortId, eve!.shortId])
    expect(node.emitted).toEqual([
      {
        name: 'room_member_added',
        roomId: id,
        userId: eve!.id,
        shortId: eve!.shortId,
        username: eve!.username,
      },
    ])
    expect((await node.rooms.addMembers(id, eve!.id, [])).members).toEqual(room.members)
  })

  it('adds nobody when one of the ids is unknown', async () => {
    const { id } = await create('Chamber')
    expect(await fieldsOf(node.rooms.addMembers(id, ann!.id, [bob!.id, 'nobody']))).toEqual({
      user_ids: ['nobody is not a user'],
    })
    expect((await node.rooms.open(id, ann!.id)).room.members).toEqual([ann!.shortId])
    expect(node.emitted).toEqual([])
  })

  it('rejects users who are not members', async () => {
    const { id } = await create('Chamber', bob!.id)
    expect(await resultOf(node.rooms.addMembers(id, eve!.id, [eve!.id]))).toBe('not_member')
    for (const odd of [nanoid(), '', 'x', '\0', '__proto__']) {
      expect(await resultOf(node.rooms.addMembers(odd, ann!.id, [bob!.id]))).toBe('no_room')
    }
  })
})

describe('removing a member', () => {
  it('allows the creator to remove anyone, and members to remove themselves', async () => {
    const { id } = await create('Chamber', bob!.id, eve!.id)
    await node.rooms.removeMember(id, ann!.id, bob!.shortId)
    await node.rooms.removeMember(id, eve!.id, eve!.id)
    expect((await node.rooms.open(id, ann!.id)).room.members).toEqual([ann!.shortId])
    expect(node.emitted).toMatchObject([
      { name: 'room_member_removed', roomId: id, userId: bob!.id, username: bob!.username },
      { name: 'room_member_removed', roomId: id, userId: eve!.id },
    ])
    expect(await resultOf(node.rooms.open(id, bob!.id))).toBe('not_member')
  })

  it('is rejected for everyone else, and for the creator as the target', async () => {
    const { id } = await create('Chamber', bob!.id, eve!.id)
    const remove = (user: RoomPerson, target: string) =>
      resultOf(node.rooms.removeMember(id, user.id, target))
    expect(await remove(bob!, eve!.id)).toBe('forbidden')
    expect(await remove(bob!, ann!.id)).toBe('forbidden')
    expect(await remove(ann!, ann!.id)).toBe('creator_stays')
    const mallory = await addPerson(db, 'mallory')
    expect(await remove(mallory, bob!.id)).toBe('not_member')
    expect(await remove(mallory, mallory.id)).toBe('not_member')
    expect(await remove(ann!, mallory.id)).toBe('not_found')
    for (const nobody of ['', 'x', '\0', nanoid(), randomUUID()]) {
      expect(await remove(ann!, nobody)).toBe('not_found')
    }
    expect(await resultOf(node.rooms.removeMember(nanoid(), ann!.id, bob!.id))).toBe('no_room')
    expect(node.emitted).toEqual([])
  })
})

describe('the presence of a user in a room', () => {
  it('is counted once, however many connections they have', () => {
    const participant = (user: RoomPerson) => ({ roomId: 'room', userId: user.id, username: user.username })
    const { roomPresence, emitted } = node
    expect(roomPresence.enter(participant(ann!))).toBe(true)
    expect(roomPresence.enter(participant(ann!))).toBe(false)
    expect(roomPresence.enter(participant(bob!))).toBe(true)
    expect(roomPresence.enter({ ...participant(ann!), roomId: 'other' })).toBe(true)
    roomPresence.leave(participant(ann!))
    expect(roomPresence.count('room')).toBe(2)
    roomPresence.leave(participant(ann!))
    roomPresence.leave(participant(bob!))
    roomPresence.leave(participant(bob!))
    const counts = emitted.map((event) => event.name === 'room_online' && [event.roomId, event.count])
    expect(counts).toEqual([
      ['room', 1],
      ['room', 2],
      ['other', 1],
      ['room', 1],
      ['room', 0],
    ])
  })

  it('stops typing on request, with the last connection, or after a minute', () => {
    const participant = { roomId: 'room', userId: ann!.id, username: ann!.username }
    const { roomPresence, clock, emitted } = node
    const typed = () =>
      emitted.splice(0).flatMap((event) => (event.name === 'room_typing' ? [event.isTyping] : []))
    roomPresence.enter(participant)
    roomPresence.enter(participant)
    roomPresence.setTyping(participant, true)
    roomPresence.setTyping(participant, false)
    expect(typed()).toEqual([true, false])
    roomPresence.setTyping(participant, true)
    clock.advance(59_000)
    roomPresence.setTyping(participant, true)
    clock.advance(59_000)
    expect(typed()).toEqual([true, true])
    clock.advance(2_000)
    expect(typed()).toEqual([false])
    roomPresence.setTyping(participant, true)
    roomPresence.leave(participant)
    expect(typed()).toEqual([true])
    roomPresence.leave(participant)
    expect(typed()).toEqual([false])
    clock.advance(120_000)
    expect(typed()).toEqual([])
  })
})
