import { v4 as newId } from 'uuid'
import { beforeEach, describe, expect, it } from 'vitest'
import { addPeople, type Chat, contentsFor, openChat, startGroup } from '../../support/chat-services.ts'
import { png } from '../../support/media.ts'
import { openRooms } from '../../support/rooms.ts'
import { type SharedDatabase, setUpSharedDatabase } from '../../support/shared-database.ts'
import { rounds } from '../../support/stress.ts'

const server = process.env.DATABASE_URL ?? ''
const ROUNDS = rounds(40, 500)
const AT_ONCE = 20

/** What only a server with several connections can show: the embedded database runs one statement at a time. */
describe.runIf(server)('two nodes that receive the same message concurrently', () => {
  let dbs: SharedDatabase['dbs']
  let ann: string
  let bob: string

  setUpSharedDatabase(server, (shared) => {
    ;({ dbs } = shared)
  })
  beforeEach(async () => {
    ;[ann, bob] = await addPeople(dbs[0], 'ann', 'bob')
  })

  it(`send a message once, ${ROUNDS} times over`, { timeout: 300_000 }, async () => {
    const nodes = [await openChat(dbs[0]), await openChat(dbs[1])] as [Chat, Chat]
    const group = await startGroup(nodes[0], [ann, bob])
    for (let round = 1; round <= ROUNDS; round++) {
      const id = newId()
      // Alone in its batch, a repeated send is another matter.
      const sends = Array.from({ length: round % 2 ? AT_ONCE : 2 }, (_, n) => {
        const contents = contentsFor([ann, bob], `${round} by ${n}`)
        return (nodes[n % 2] as Chat).messages.send(group, ann, contents, { clientMessageId: id })
      })
      const [first, ...others] = await Promise.all(sends)
      for (const other of others) expect(other).toEqual(first)
      expect(first?.seq).toBe(round)
    }
    const counts = `select (select count(*)::int from message_groups) as groups, (select sum(cardinality(copies))::int from message_groups) as copies,
      (select last_seq::int from conversations) as last`
    expect(await dbs[0].rows(counts, [])).toEqual([{ groups: ROUNDS, copies: 2 * ROUNDS, last: ROUNDS }])
    const emitted = nodes.flatMap((node) => node.emitted)
    expect(emitted).toHaveLength(ROUNDS)
    expect(new Set(nodes.map((node) => node.emitted.length > 0))).toEqual(new Set([true]))
  })

  it(`send a text or a file to a room once, ${ROUNDS / 4} times over`, { timeout: 300_000 }, async () => {
    const nodes = [openRooms(dbs[0]), openRooms(dbs[1])] as const
    const { id: roomId } = await nodes[0].rooms.create(ann, { name: 'Chamber', userIds: [bob] })
    const perRound = 4
    for (let round = 1; round <= ROUNDS / perRound; round++) {
      const clientMessageId = newId()
      const posts = Array.from({ length: AT_ONCE / 2 }, async (_, n) => {
        const { rooms, media } = nodes[n % 2] as (typeof nodes)[0]
        if (n % 5) return rooms.post(roomId, ann, { text: `${round} by ${n}`, clientMessageId })
        const file = await media.receive([png()], { roomId, ownerId: ann })
        return rooms.post(roomId, ann, { media: file, clientMessageId })
      })
      const [first, ...others] = await Promise.all(posts)
      for (const other of others) expect(other).toEqual(first)
      expect(first?.seq).toBe(round)
    }
    expect(nodes.flatMap((node) => node.emitted)).toHaveLength(ROUNDS / perRound)
    const media = await dbs[0].rows('select id from media', [])
    expect(nodes[0].fileCount() + nodes[1].fileCount()).toBe(media.length)
  })
})
