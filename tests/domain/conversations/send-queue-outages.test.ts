import { randomUUID } from 'node:crypto'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import {
  addPeople,
  type Chat,
  contentsFor,
  openChat,
  resultOf,
  startGroup,
} from '../../support/chat-services.ts'
import { ManualClock } from '../../support/clock.ts'
import type { CutPoint } from '../../support/fault-proxy.ts'
import { setUpProxiedDatabase } from '../../support/set-up-database.ts'
import { STORED_COPIES } from '../../support/stored-copies.ts'

const server = process.env.DATABASE_URL ?? ''
const MARK = 'the one whose answer is lost'

describe.runIf(server)('when the connection to the database is lost', () => {
  const { db, connectThroughProxy } = setUpProxiedDatabase(server)
  let ann: string
  let bob: string
  let group: string

  beforeEach(async () => {
    ;[ann, bob] = await addPeople(db, 'ann', 'bob')
    group = await startGroup(await openChat(db), [ann, bob])
  })

  /** A node that reaches the database through a proxy. */
  async function openNode(clock?: ManualClock) {
    const { proxy, proxied } = await connectThroughProxy()
    return { proxy, node: await openChat(proxied, { workers: 1, ...(clock && { clock }) }) }
  }

  const send = (node: Chat, text: string, clientMessageId?: string) =>
    resultOf(node.messages.send(group, ann, contentsFor([ann, bob], text), { clientMessageId }))

  /** Bob's stored messages, oldest first, as `seq content`. */
  async function stored(): Promise<string[]> {
    const rows = await db.rows<{ line: string }>(
      `select seq || ' ' || content as line from ${STORED_COPIES} where recipient_id = $1 order by seq`,
      [bob],
    )
    return rows.map((row) => row.line)
  }

  /** The events that a node has emitted, as `name seq`. */
  function eventsOf(node: Chat): string[] {
    return node.emitted.map((event) => `${event.name} ${'editSeq' in event ? event.editSeq : event.seq}`)
  }

  it.each<CutPoint>(['before', 'reply'])(
    'stores a message and emits its event once (cut: %s)',
    async (at) => {
      const { proxy, node } = await openNode()
      const cut = proxy.cut(MARK, at)
      expect(await send(node, MARK)).toBe('ok')
      await cut
      expect(await stored()).toEqual([`1 ${MARK}`])
      const [message] = (await node.messages.latest(bob, group)).items
      expect(node.emitted).toMatchObject([
        { name: 'message_sent', groupId: message?.groupId, seq: 1, insertedAt: message?.insertedAt },
      ])
      expect(await send(node, 'next')).toBe('ok')
      expect(await stored()).toEqual([`1 ${MARK}`, '2 next'])
    },
  )

  it.each<CutPoint>(['before', 'reply'])(
    'emits one event for a message that another node stores in the meantime (cut: %s)',
    async (at) => {
      const { proxy, node } = await openNode()
      const other = await openChat(db)
      const name = randomUUID()
      const cut = proxy.cut(MARK, at)
      const sending = node.messages.send(group, ann, contentsFor([ann, bob], MARK), { clientMessageId: name })
      await cut
      const again = await other.messages.send(group, ann, contentsFor([ann, bob], 'again'), {
        clientMessageId: name,
      })
      expect(await sending).toEqual(again)
      expect(await stored()).toHaveLength(1)
      expect([...node.emitted, ...other.emitted]).toMatchObject([{ groupId: again.groupId, seq: 1 }])
    },
  )

  it.each<CutPoint>(['before', 'reply'])(
    'keeps the order and the results of a batch (cut: %s)',
    async (at) => {
      const { proxy, node } = await openNode()
      const cut = proxy.cut(MARK, at)
      const outcomes = await Promise.all([
        send(node, 'one'),
        send(node, 'two'),
        resultOf(node.messages.send(group, ann, new Map([[ann, 'to herself']]))),
        send(node, MARK),
        send(node, 'four'),
      ])
      await cut
      expect(outcomes).toEqual(['ok', 'ok', 'not_enough_recipients', 'ok', 'ok'])
      expect(await stored()).toEqual(['1 one', '2 two', `3 ${MARK}`, '4 four'])
      expect(eventsOf(node)).toEqual([1, 2, 3, 4].map((seq) => `message_sent ${seq}`))
    },
  )

  it('waits for a server process that still executes the statement', async () => {
    const { proxy, node } = await openNode()
    await node.queue.change({ stream: group, work: async () => {} })
    let sending: Promise<string> | undefined
    await db.transaction(async (tx) => {
      await tx.execute('select from conversations for update')
      const cut = proxy.cut(MARK, 'during')
      sending = send(node, MARK)
      await cut
      // Both wait: the process that lost its client, and the look for what it does.
      await vi.waitFor(
        async () => {
          const waiting = `select from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'`
          expect(await db.rows(waiting, [])).toHaveLength(2)
        },
        { timeout: 20_000 },
      )
    })
    expect(await sending).toBe('ok')
    expect(await stored()).toEqual([`1 ${MARK}`])
    expect(eventsOf(node)).toEqual(['message_sent 1'])
  })

  it('stores nothing for a statement that arrives after its retry', async () => {
    const { proxy, node } = await openNode()
    const cut = proxy.cut(MARK, 'delayed')
    expect(await send(node, MARK)).toBe('ok')
    await cut
    await proxy.forwardDelayed()
    expect(await stored()).toEqual([`1 ${MARK}`])
    expect(await send(node, 'next')).toBe('ok')
    expect(await stored()).toEqual([`1 ${MARK}`, '2 next'])
  })

  it.each([
    ['', undefined],
    [' by its name', randomUUID()],
  ])('finds a statement that arrives just before its retry%s', async (_how, name) => {
    const { proxy, node: plain } = await openNode()
    let tries = 0
    const rows: Database['rows'] = async (statement, params) => {
      if (statement.includes('insert into message_groups') && ++tries === 2) await proxy.forwardDelayed()
      return plain.db.rows(statement, params)
    }
    const node = await openChat({ ...plain.db, rows }, { workers: 1 })
    const cut = proxy.cut(MARK, 'delayed')
    expect(await send(node, MARK, name)).toBe('ok')
    await cut
    expect(tries).toBe(2)
    expect(await stored()).toEqual([`1 ${MARK}`])
    expect(eventsOf(node)).toEqual(['message_sent 1'])
  })

  it.each<CutPoint>(['before', 'reply'])('stores an edit (cut: %s)', async (at) => {
    const { proxy, node } = await openNode()
    await send(node, 'before')
    const [message] = (await node.messages.latest(ann, group)).items
    const cut = proxy.cut(MARK, at)
    const copies = contentsFor([ann, bob], MARK)
    expect(await resultOf(node.messages.edit(group, ann, { groupId: message?.groupId ?? '', copies }))).toBe(
      'ok',
    )
    await cut
    expect(await stored()).toEqual([`1 ${MARK}`])
    expect(node.emitted.map((event) => event.name)).toEqual(['message_sent', 'message_edited'])
  })

  it.each<CutPoint>(['before', 'reply'])(
    'stores a deletion and emits its event once (cut: %s)',
    async (at) => {
      const { proxy, node } = await openNode()
      await send(node, 'secret')
      const groupId = (await node.messages.latest(ann, group)).items[0]?.groupId ?? ''
      const cut = proxy.cut(groupId, at)
      expect(await resultOf(node.messages.delete(group, ann, groupId))).toBe('ok')
      await cut
      expect(await stored()).toEqual([])
      expect(eventsOf(node)).toEqual(['message_sent 1', 'message_deleted 2'])
    },
  )

  it.each<CutPoint>(['before', 'reply'])(
    'removes a member and emits the event once (cut at its commit: %s)',
    async (at) => {
      const { proxy, node } = await openNode()
      const cut = proxy.cut('commit', at)
      expect(await resultOf(node.conversations.leave(group, bob))).toBe('ok')
      await cut
      expect(await node.conversations.find(group, bob)).toBeUndefined()
      expect(node.emitted).toEqual([
        {
          name: 'member_left',
          conversationId: group,
          userId: bob,
          seq: at === 'reply' ? null : 1,
          memberIds: [ann, bob],
        },
      ])
    },
  )

  it.each<CutPoint>(['before', 'reply'])('stores keys (cut at their commit: %s)', async (at) => {
    const { proxy, node } = await openNode()
    const keys = { publicKey: { n: 'bob' }, privateKey: { d: 'bob' } }
    const cut = proxy.cut('commit', at)
    expect(await resultOf(node.conversations.setKeys(group, bob, keys))).toBe('ok')
    await cut
    expect((await node.conversations.open(group, bob)).privateKey).toEqual(keys.privateKey)
  })

  it('rejects sends with a retry delay and stores nothing while it stays lost', async () => {
    const clock = new ManualClock()
    const { proxy, node } = await openNode(clock)
    const { port } = proxy
    await proxy.close()
    let outcome: string | undefined
    const sending = send(node, 'lost').then((code) => {
      outcome = code
    })
    await vi.waitFor(
      () => {
        clock.advance(1_000)
        expect(outcome).toBe('busy')
      },
      { timeout: 50_000 },
    )
    await sending
    expect(await stored()).toEqual([])
    expect(node.emitted).toEqual([])

    await proxy.listen(port)
    const again = vi.waitFor(
      async () => {
        const sent = send(node, 'found')
        clock.advance(1_000)
        expect(await sent).toBe('ok')
      },
      { timeout: 50_000 },
    )
    await again
    expect(await stored()).toEqual(['1 found'])
  })
})
