import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { resultOf } from '../../support/chat-services.ts'
import { ManualClock } from '../../support/clock.ts'
import { openTestDatabase, truncateAll } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { png } from '../../support/media.ts'
import { addPerson, openRooms, type RoomNode, type RoomPerson } from '../../support/rooms.ts'
import { injectFaults, type TransactionFault } from '../../support/transaction-faults.ts'

let shared: Database
let clock: ManualClock
/** A node whose transactions fail as the test says. */
let node: RoomNode
let injected: ReturnType<typeof injectFaults>
/** A node that has no trouble. */
let other: RoomNode
let [ann, bob, eve]: RoomPerson[] = []
let roomId: string

beforeAll(async () => {
  shared = await openTestDatabase()
})
afterAll(() => shared.close())
beforeEach(async () => {
  await truncateAll(shared)
  clock = new ManualClock()
  const db = { ...shared }
  injected = injectFaults(db)
  node = openRooms(db, clock)
  other = openRooms(shared, clock)
  ann = await addPerson(shared, 'ann')
  bob = await addPerson(shared, 'bob')
  eve = await addPerson(shared, 'eve')
  roomId = (await other.rooms.create(ann.id, { name: 'Chamber', userIds: [bob.id] })).id
})

/** The outcome of a change, while time passes until it is there. */
async function outcomeOf<T>(change: Promise<T>): Promise<T> {
  let isOver = false
  const over = () => {
    isOver = true
  }
  change.then(over, over)
  await eventually(() => {
    clock.advance(500)
    expect(isOver).toBe(true)
  })
  return change
}

const codeOf = (change: Promise<unknown>) => outcomeOf(resultOf(change))

/** Lets the database answer again, and time pass until the node has emitted an event. */
async function recover(): Promise<void> {
  injected.otherwise = undefined
  await eventually(() => {
    clock.advance(1_000)
    expect(node.emitted).not.toEqual([])
  })
}

/** Waits until the node has looked at what it was unsure about, in the turn of the room. */
async function lookedAgain(): Promise<void> {
  injected.otherwise = undefined
  await codeOf(node.rooms.addMembers(roomId, ann!.id, []))
}

const remove = (user: RoomPerson, target: RoomPerson) => node.rooms.removeMember(roomId, user.id, target.id)
const add = (user: RoomPerson, target: RoomPerson) => node.rooms.addMembers(roomId, user.id, [target.id])
const membersOf = async (id = roomId) => (await other.rooms.open(id, ann!.id)).room.members
const receive = () => node.media.receive([png()], { roomId, ownerId: bob!.id })
const mediaRows = () => shared.rows('select id from media', [])
const isRemoved = (user: RoomPerson, seq: number | null) => ({
  name: 'room_member_removed',
  roomId,
  userId: user.id,
  shortId: user.shortId,
  username: user.username,
  seq,
})
const isAdded = (user: RoomPerson) => ({
  name: 'room_member_added',
  roomId,
  userId: user.id,
  shortId: user.shortId,
  username: user.username,
})

const EITHER: TransactionFault[] = ['before_commit', 'commit_reply']

describe('a removal whose connection is lost', () => {
  it.each(EITHER)('is made once and emits one event (%s)', async (fault) => {
    injected.faults = [fault]
    expect(await codeOf(remove(ann!, bob!))).toBe('ok')
    expect(await membersOf()).toEqual([ann!.shortId])
    expect(node.emitted).toEqual([isRemoved(bob!, fault === 'commit_reply' ? null : 1)])
  })

  it.each(EITHER)('is made once and emits one event when members remove themselves (%s)', async (fault) => {
    injected.faults = [fault, 'unreachable', 'lock_timeout']
    expect(await codeOf(remove(bob!, bob!))).toBe('ok')
    expect(await membersOf()).toEqual([ann!.shortId])
    expect(node.emitted).toEqual([isRemoved(bob!, fault === 'commit_reply' ? null : 1)])
  })

  it('follows the same rules as any other, and emits no event when rejected', async () => {
    for (const fault of ['begin', 'unreachable'] as const) {
      injected.faults = [fault]
      expect(await codeOf(remove(ann!, eve!))).toBe('not_found')
      injected.faults = [fault]
      expect(await codeOf(remove(eve!, bob!))).toBe('not_member')
      injected.faults = [fault]
      expect(await codeOf(remove(bob!, ann!))).toBe('forbidden')
    }
    expect(node.emitted).toEqual([])
  })

  it('is not considered committed when it was rolled back and another removal succeeded', async () => {
    injected.faults = ['before_commit', 'begin', 'begin']
    const removal = resultOf(remove(ann!, bob!))
    await eventually(() => expect(injected.failureCount).toBe(1))
    await other.rooms.removeMember(roomId, bob!.id, bob!.id)
    expect(await outcomeOf(removal)).toBe('ok')
    expect(other.emitted).toEqual([isRemoved(bob!, 1)])
    // Nobody can tell the two apart: announcing it again is harmless, and not announcing it is not.
    expect(node.emitted).toEqual([isRemoved(bob!, null)])
  })

  it('emits its event when the database is available again, after any delay', async () => {
    injected.faults = ['commit_reply']
    injected.otherwise = 'unreachable'
    expect(await codeOf(remove(ann!, bob!))).toBe('busy')
    expect(node.emitted).toEqual([])
    clock.advance(60_000)
    await recover()
    expect(node.emitted).toEqual([isRemoved(bob!, null)])
    await lookedAgain()
    expect(node.emitted).toHaveLength(1)
  })

  it('emits no event when it was rolled back', async () => {
    injected.faults = ['before_commit']
    injected.otherwise = 'unreachable'
    expect(await codeOf(remove(ann!, bob!))).toBe('busy')
    await lookedAgain()
    expect(await membersOf()).toEqual([ann!.shortId, bob!.shortId])
    expect(node.emitted).toEqual([])
  })
})

describe('an addition whose connection is lost', () => {
  it.each(EITHER)('is made once and emits one event (%s)', async (fault) => {
    injected.faults = [fault]
    const room = await outcomeOf(node.rooms.addMembers(roomId, bob!.id, [eve!.id, bob!.id]))
    expect(room.members).toEqual([ann!.shortId, bob!.shortId, eve!.shortId])
    expect(node.emitted).toEqual([isAdded(eve!)])
  })

  it.each([
    ['who was added by another meanwhile, is not announced twice', 'before_commit'],
    ['is announced, even if whoever added them is no member any more', 'commit_reply'],
  ] as const)('of somebody %s', async (_what, fault) => {
    injected.faults = [fault, 'begin', 'begin']
    const addition = resultOf(add(bob!, eve!))
    await eventually(() => expect(injected.failureCount).toBe(1))
    if (fault === 'before_commit') await other.rooms.addMembers(roomId, ann!.id, [eve!.id])
    else await other.rooms.removeMember(roomId, ann!.id, bob!.id)
    expect(await outcomeOf(addition)).toBe('ok')
    expect(node.emitted).toEqual(fault === 'before_commit' ? [] : [isAdded(eve!)])
  })

  it('emits its event when the database is available again, after any delay', async () => {
    injected.faults = ['commit_reply']
    injected.otherwise = 'unreachable'
    expect(await codeOf(add(ann!, eve!))).toBe('busy')
    await recover()
    expect(node.emitted).toEqual([isAdded(eve!)])
  })
})

describe('a new room whose connection is lost', () => {
  it.each(EITHER)('is created once (%s)', async (fault) => {
    injected.faults = [fault]
    const room = await outcomeOf(node.rooms.create(ann!.id, { name: 'Other', userIds: [bob!.id] }))
    expect(room).toMatchObject({ name: 'Other', members: [ann!.shortId, bob!.shortId] })
    expect(await other.rooms.list()).toHaveLength(2)
  })

  it.each<TransactionFault>(['begin', 'before_commit'])(
    'is rejected when its name is taken (%s)',
    async (fault) => {
      injected.faults = [fault]
      const creation = resultOf(node.rooms.create(ann!.id, { name: 'Other', userIds: [] }))
      await eventually(() => expect(injected.failureCount).toBeGreaterThan(0))
      await other.rooms.create(bob!.id, { name: 'Other', userIds: [] })
      expect(await outcomeOf(creation)).toBe('room_exists')
    },
  )
})

describe('a post whose connection is lost', () => {
  it.each(EITHER)('is stored once, with its file, and emits one event (%s)', async (fault) => {
    injected.faults = [fault, 'lock_timeout', 'unreachable']
    const message = await outcomeOf(node.rooms.post(roomId, bob!.id, { media: await receive() }))
    expect(node.emitted).toEqual([{ name: 'room_message', ...message }])
    expect((await other.rooms.history(roomId, ann!.id)).items).toEqual([message])
    expect(await mediaRows()).toEqual([{ id: message.media?.id }])
    expect(node.fileCount()).toBe(1)
  })

  it('emits its event and keeps its file even if the sender was removed since', async () => {
    injected.faults = ['commit_reply', 'begin', 'begin']
    const sending = node.rooms.post(roomId, bob!.id, { media: await receive() })
    await eventually(() => expect(injected.failureCount).toBe(1))
    await other.rooms.removeMember(roomId, ann!.id, bob!.id)
    const message = await outcomeOf(sending)
    expect(node.emitted).toEqual([{ name: 'room_message', ...message }])
    expect(node.fileCount()).toBe(1)
  })

  it('keeps its file while the outcome is unknown', async () => {
    injected.faults = ['commit_reply']
    injected.otherwise = 'lock_timeout'
    const sending = resultOf(node.rooms.post(roomId, bob!.id, { media: await receive() }))
    await eventually(() => expect(injected.failureCount).toBeGreaterThan(0))
    clock.advance(10_000)
    expect(await outcomeOf(sending)).toBe('busy')
    expect(node.fileCount()).toBe(1)
    await recover()
    expect(node.emitted).toMatchObject([{ name: 'room_message', seq: 1 }])
    expect(await bytesOfMessage()).toEqual(png())
  })

  it('deletes its file when it was not stored', async () => {
    injected.faults = ['before_commit']
    injected.otherwise = 'unreachable'
    expect(await codeOf(node.rooms.post(roomId, bob!.id, { media: await receive() }))).toBe('busy')
    expect(node.fileCount()).toBe(1)
    await lookedAgain()
    expect(node.fileCount()).toBe(0)
    expect(node.emitted).toEqual([])
  })

  it('emits its event once, and before those of later posts, even if it is sent again', async () => {
    const clientMessageId = randomUUID()
    injected.faults = ['commit_reply']
    injected.otherwise = 'unreachable'
    const say = (text: string, name?: string) =>
      node.rooms.post(roomId, bob!.id, { text, clientMessageId: name })
    expect(await codeOf(say('first', clientMessageId))).toBe('busy')
    injected.otherwise = undefined
    const [second, again] = await outcomeOf(Promise.all([say('second'), say('first', clientMessageId)]))
    expect([again.seq, second.seq]).toEqual([1, 2])
    expect(node.emitted.map((event) => event.name === 'room_message' && event.text)).toEqual([
      'first',
      'second',
    ])
  })
})

async function bytesOfMessage(): Promise<Buffer> {
  const { items } = await other.rooms.history(roomId, ann!.id)
  const chunks: Buffer[] = []
  for await (const chunk of await node.media.open(items[0]!.media!.id)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
