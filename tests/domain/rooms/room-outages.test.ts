import { beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { Rooms } from '../../../src/domain/rooms/rooms.ts'
import { SendQueue } from '../../../src/domain/sending/send-queue.ts'
import { PageTokens } from '../../../src/domain/shared/pagination.ts'
import { openEventBus } from '../../support/event-bus.ts'
import type { CutPoint } from '../../support/fault-proxy.ts'
import { png } from '../../support/media.ts'
import { openLibrary } from '../../support/media-library.ts'
import { addPerson, openRooms, type RoomPerson } from '../../support/rooms.ts'
import { setUpProxiedDatabase } from '../../support/set-up-database.ts'

const server = process.env.DATABASE_URL ?? ''

describe.runIf(server)(
  'when the connection to the database is lost while a change of a room is committed',
  () => {
    const { db, connectThroughProxy } = setUpProxiedDatabase(server)
    let ann: RoomPerson
    let bob: RoomPerson
    let roomId: string

    beforeEach(async () => {
      ann = await addPerson(db, 'ann')
      bob = await addPerson(db, 'bob')
      roomId = (await openRooms(db).rooms.create(ann.id, { name: 'Chamber', userIds: [] })).id
    })

    /** A node that reaches the database through a proxy. */
    async function openNode({ maxMediaPerDay = 1_000_000 } = {}) {
      const { proxy, proxied } = await connectThroughProxy()
      const events = openEventBus()
      const emitted: number[] = []
      const memberChanges: string[] = []
      events.on('room_message', ({ seq }) => emitted.push(seq))
      events.on('room_member_added', ({ userId }) => memberChanges.push(`${userId} added`))
      events.on('room_member_removed', ({ userId, seq }) => memberChanges.push(`${userId} removed ${seq}`))
      const { library, fileCount } = openLibrary(proxied, { maxMediaPerDay })
      const pageTokens = new PageTokens('a secret of thirty-two characters')
      const queue = new SendQueue(proxied)
      const rooms = new Rooms({ db: proxied, clock: systemClock, queue, events, pageTokens, media: library })
      return { proxy, rooms, library, fileCount, emitted, memberChanges }
    }

    it.each<CutPoint>(['before', 'reply'])('stores a text and emits its event once (cut: %s)', async (at) => {
      const { proxy, rooms, emitted } = await openNode()
      const cut = proxy.cut('Hello', at)
      const message = await rooms.post(roomId, ann.id, { text: 'Hello' })
      await cut
      const { items } = await rooms.history(roomId, ann.id)
      expect(items).toEqual([message])
      expect(message.seq).toBe(1)
      expect(emitted).toEqual([1])
    })

    it.each<CutPoint>(['before', 'reply', 'delayed'])(
      'stores a batch of texts once, in order, and emits an event for each (cut: %s)',
      async (at) => {
        const { proxy, rooms, emitted } = await openNode()
        const stranger = await addPerson(db, 'eve')
        const texts = Array.from({ length: 9 }, (_, n) => (n === 7 ? 'the one whose reply is lost' : `n${n}`))
        await rooms.post(roomId, ann.id, { text: 'before' })
        const cut = proxy.cut('whose reply', at)
        const posts = texts.map((text, n) =>
          rooms.post(roomId, n === 4 ? stranger.id : ann.id, { text, previousMessageId: undefined }),
        )
        const settled = Promise.allSettled(posts)
        await cut
        const results = await settled
        if (at === 'delayed') await proxy.forwardDelayed()
        expect(results.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([4])
        const rows = await db.rows<{ text: string; seq: number }>(
          'select text_content as text, seq::float8 as seq from room_messages order by seq',
          [],
        )
        expect(rows.map(({ text }) => text)).toEqual(['before', ...texts.filter((_, n) => n !== 4)])
        expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, n) => n + 1))
        expect(emitted).toEqual(rows.map((_, n) => n + 1))
      },
    )

    it.each<CutPoint>(['before', 'reply'])('stores a file and emits its event once (cut: %s)', async (at) => {
      const { proxy, rooms, library, fileCount, emitted } = await openNode()
      const media = await library.receive([png()], { roomId, ownerId: ann.id })
      const cut = proxy.cut('commit', at)
      const message = await rooms.post(roomId, ann.id, { media })
      await cut
      expect(message.media?.id).toBe(media.id)
      expect(emitted).toEqual([1])
      expect(fileCount()).toBe(1)
      expect(await db.rows('select 1 from media', [])).toHaveLength(1)
    })

    it('keeps a file whose commit arrives during its retry, even if the quota has no space for a second', async () => {
      const { proxy, rooms, library, fileCount, emitted } = await openNode({ maxMediaPerDay: png().length })
      const media = await library.receive([png()], { roomId, ownerId: ann.id })
      const cut = proxy.cut('commit', 'delayed')
      const sending = rooms.post(roomId, ann.id, { media })
      await cut
      await vi.waitFor(
        async () => {
          const waiting = `select from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`
          expect(await db.rows(waiting, [])).toHaveLength(1)
        },
        { timeout: 20_000 },
      )
      await proxy.forwardDelayed()
      expect((await sending).media?.id).toBe(media.id)
      expect(emitted).toEqual([1])
      expect(fileCount()).toBe(1)
    })

    it.each<CutPoint>(['before', 'reply'])('adds a member and emits one event (cut: %s)', async (at) => {
      const { proxy, rooms, memberChanges } = await openNode()
      const cut = proxy.cut('commit', at)
      const room = await rooms.addMembers(roomId, ann.id, [bob.id])
      await cut
      expect(room.members).toEqual([ann.shortId, bob.shortId])
      expect(memberChanges).toEqual([`${bob.id} added`])
    })

    it.each<CutPoint>(['before', 'reply'])('removes a member and emits one event (cut: %s)', async (at) => {
      const { proxy, rooms, memberChanges } = await openNode()
      await openRooms(db).rooms.addMembers(roomId, ann.id, [bob.id])
      const cut = proxy.cut('commit', at)
      await rooms.removeMember(roomId, ann.id, bob.id)
      await cut
      expect((await rooms.open(roomId, ann.id)).room.members).toEqual([ann.shortId])
      expect(memberChanges).toEqual([`${bob.id} removed ${at === 'reply' ? null : 1}`])
    })

    it.each<CutPoint>(['before', 'reply', 'delayed'])('creates a room once (cut: %s)', async (at) => {
      const { proxy, rooms } = await openNode()
      const cut = proxy.cut('commit', at)
      const creation = rooms.create(ann.id, { name: 'Other', userIds: [bob.id] })
      await cut
      if (at === 'delayed') await proxy.forwardDelayed()
      const room = await creation
      expect(room.members).toEqual([ann.shortId, bob.shortId])
      expect((await rooms.list()).map(({ id }) => id)).toEqual([room.id, roomId])
    })
  },
)
