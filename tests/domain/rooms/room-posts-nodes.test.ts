import { beforeEach, describe, expect, it } from 'vitest'
import { resultOf } from '../../support/chat-services.ts'
import { png } from '../../support/media.ts'
import { addPerson, openRooms, type RoomNode, type RoomPerson } from '../../support/rooms.ts'
import { type SharedDatabase, setUpSharedDatabase } from '../../support/shared-database.ts'

const server = process.env.DATABASE_URL ?? ''

/** What only a server with several connections can show: the embedded database runs one statement at a time. */
describe.runIf(server)('two nodes that post to one room', () => {
  let dbs: SharedDatabase['dbs']
  let sql: SharedDatabase['sql']
  let waiting: SharedDatabase['waiting']
  let here: RoomNode
  let there: RoomNode
  let [ann, bob]: RoomPerson[] = []
  let roomId: string

  setUpSharedDatabase(server, (shared) => {
    ;({ dbs, sql, waiting } = shared)
  })
  beforeEach(async () => {
    const [one, other] = dbs
    ;[here, there] = [openRooms(one), openRooms(other)]
    ann = await addPerson(one, 'ann')
    bob = await addPerson(one, 'bob')
    roomId = (await here.rooms.create(ann.id, { name: 'Chamber', userIds: [bob.id] })).id
  })

  const say = (node: RoomNode, by: RoomPerson, to = roomId) =>
    resultOf(node.rooms.post(to, by.id, { text: 'x' }))

  async function lastSeqOf(id: string): Promise<number> {
    const [row] = await sql`select last_seq::int as last from rooms where id = ${id}`
    return row?.last
  }

  /** The values of `seq` that the nodes announced for a room, in order. */
  function announced(id: string): number[] {
    return [here, there]
      .flatMap(({ emitted }) => emitted)
      .flatMap((event) => ('seq' in event && event.roomId === id ? [event.seq as number] : []))
      .toSorted((a, b) => a - b)
  }

  it('stores nothing of a member after the removal, 300 times in a race', { timeout: 300_000 }, async () => {
    const outcomes = new Set<string>()
    for (let round = 0; round < 300; round++) {
      const posts = [say(here, bob!), say(there, bob!), say(here, ann!), say(here, bob!), say(there, bob!)]
      await Promise.all([(round % 2 ? here : there).rooms.removeMember(roomId, ann!.id, bob!.id), ...posts])
      for (const outcome of await Promise.all(posts)) outcomes.add(outcome)
      const removals = [here, there].flatMap(({ emitted }) =>
        emitted.flatMap((event) => (event.name === 'room_member_removed' ? [event.seq as number] : [])),
      )
      const late = await sql`
        select from room_messages where sender_id = ${bob!.id} and seq > ${Math.max(...removals)}`
      expect(late).toHaveLength(0)
      await here.rooms.addMembers(roomId, ann!.id, [bob!.id])
    }
    expect([...outcomes].toSorted()).toEqual(['not_member', 'ok'])
    expect(announced(roomId)).toEqual(Array.from({ length: await lastSeqOf(roomId) }, (_, n) => n + 1))
  })

  it('refuses a member who is removed while the batch waits for the room, also by a node that only deletes the row', async () => {
    let outcomes: Promise<string[]> | undefined
    await sql.begin(async (tx) => {
      await tx`select from rooms where id = ${roomId} for update`
      outcomes = Promise.all([say(here, bob!), say(here, ann!)])
      await waiting(1)
      await tx`delete from room_members where room_id = ${roomId} and user_id = ${bob!.id}`
    })
    expect(await outcomes).toEqual(['not_member', 'ok'])
    expect(await lastSeqOf(roomId)).toBe(1)
  })

  it('assigns every change a unique seq without gaps, and never deadlocks', {
    timeout: 120_000,
  }, async () => {
    const rooms = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => {
        const room = await here.rooms.create(ann!.id, { name: `Room ${n}`, userIds: [bob!.id] })
        return room.id
      }),
    )
    const act = async (n: number) => {
      const node = n % 2 ? here : there
      const id = rooms[(n * 5) % 8] as string
      if (n % 31 === 0) return resultOf(node.rooms.removeMember(id, ann!.id, bob!.id))
      if (n % 31 === 1) return resultOf(node.rooms.addMembers(id, ann!.id, [bob!.id]))
      if (n % 37 === 0) {
        const media = await node.media.receive([png()], { roomId: id, ownerId: ann!.id })
        return resultOf(node.rooms.post(id, ann!.id, { media }))
      }
      return say(node, n % 3 ? ann! : bob!, id)
    }
    for (let round = 0; round < 4; round++) {
      const outcomes = await Promise.all(Array.from({ length: 400 }, (_, n) => act(round * 400 + n)))
      expect(
        [...new Set(outcomes)].filter((code) => !['ok', 'not_member', 'not_found'].includes(code)),
      ).toEqual([])
    }
    for (const id of rooms) {
      expect(announced(id)).toEqual(Array.from({ length: await lastSeqOf(id) }, (_, n) => n + 1))
    }
    const deadlocks =
      await sql`select deadlocks::int from pg_stat_database where datname = current_database()`
    expect(deadlocks).toEqual([{ deadlocks: 0 }])
  })

  it('stores a client message id once when both send it at the same time', async () => {
    for (let round = 0; round < 50; round++) {
      const clientMessageId = crypto.randomUUID()
      const [one, other] = await Promise.all(
        [here, there].map(({ rooms }) => rooms.post(roomId, ann!.id, { text: 'x', clientMessageId })),
      )
      expect(one).toEqual(other)
    }
    expect(await lastSeqOf(roomId)).toBe(50)
    expect(announced(roomId)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1))
  })
})
