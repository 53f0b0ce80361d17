import type postgres from 'postgres'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { openDatabase } from '../../../src/db/open-database.ts'
import {
  addPeople,
  type Chat,
  contentsFor,
  type EmittedEvent,
  openChat,
  resultOf,
  startGroup,
} from '../../support/chat-services.ts'
import { type SharedDatabase, setUpSharedDatabase } from '../../support/shared-database.ts'
import { STORED_COPIES } from '../../support/stored-copies.ts'

const server = process.env.DATABASE_URL ?? ''

/** What only a server with several connections can show: the embedded database runs one statement at a time. */
describe.runIf(server)('two nodes on one database', () => {
  let url: SharedDatabase['url']
  let dbs: SharedDatabase['dbs']
  let sql: SharedDatabase['sql']
  let waiting: SharedDatabase['waiting']
  let here: Chat
  let there: Chat
  let ann: string
  let bob: string
  let cid: string
  /** A group of all three. */
  let group: string

  setUpSharedDatabase(server, (shared) => {
    ;({ url, dbs, sql, waiting } = shared)
  })
  beforeEach(async () => {
    const [one, other] = dbs
    here = await openChat(one)
    there = await openChat(other)
    ;[ann, bob, cid] = await addPeople(one, 'ann', 'bob', 'cid')
    group = await startGroup(here, [ann, bob, cid])
  })

  const send = (node: Chat, conversationId = group, to = [ann, bob, cid]) =>
    resultOf(node.messages.send(conversationId, ann, contentsFor(to, 'x')))

  async function deliveredTo(userId: string): Promise<number[]> {
    const rows = await sql<{ seq: number }[]>`
      select seq from ${sql.unsafe(STORED_COPIES)} where recipient_id = ${userId} order by seq`
    return rows.map((row) => row.seq)
  }

  /** Holds the group while `start` begins something that waits for it, makes a change in between, and lets go. */
  async function overtake<T>(
    start: () => Promise<T>,
    change: (tx: postgres.TransactionSql) => Promise<unknown>,
  ) {
    let started: Promise<T> | undefined
    await sql.begin(async (tx) => {
      await tx`select from conversations where id = ${group} for update`
      started = start()
      await waiting(1)
      await change(tx)
    })
    return started as Promise<T>
  }

  const takeOut = async (tx: postgres.TransactionSql, userId: string) => {
    await tx`delete from members where conversation_id = ${group} and user_id = ${userId}`
    await tx`update conversations set members_version = members_version + 1, last_seq = last_seq + 1`
  }

  it('deliver nothing after a leave, 500 times in a race', { timeout: 300_000 }, async () => {
    const outcomes = new Set<string>()
    for (let round = 0; round < 500; round++) {
      const sends = [send(here), send(there), send(here)]
      await Promise.all([there.conversations.leave(group, cid), ...sends])
      for (const outcome of await Promise.all(sends)) outcomes.add(outcome)
      const left = there.emitted.findLast((event) => event.name === 'member_left')?.seq ?? 0
      expect((await deliveredTo(cid)).filter((seq) => seq > left)).toEqual([])
      await sql`delete from message_groups`
      await here.conversations.addMembers(group, ann, { newMembers: [cid] })
    }
    expect([...outcomes].toSorted()).toEqual(['ok', 'too_many_recipients'])
  })

  it('deliver nothing to a member who leaves while a send waits', async () => {
    const outcome = await overtake(
      () => send(here),
      (tx) => takeOut(tx, cid),
    )
    expect(outcome).toBe('too_many_recipients')
    expect(await deliveredTo(cid)).toEqual([])
    expect(await send(here, group, [ann, bob])).toBe('ok')
    expect(await deliveredTo(bob)).toEqual([2])
  })

  it('include a member who is added while a send waits', async () => {
    await here.conversations.leave(group, cid)
    const outcome = await overtake(
      () => send(here, group, [ann, bob]),
      async (tx) => {
        await tx`insert into members (conversation_id, user_id) values (${group}, ${cid})`
        await tx`update conversations set members_version = members_version + 1`
      },
    )
    expect(outcome).toBe('not_enough_recipients')
  })

  it('reject a waiting send when its conversation is deleted', async () => {
    const outcome = await overtake(
      () => send(here),
      (tx) => tx`delete from conversations`,
    )
    expect(outcome).toBe('no_conversation')
  })

  it('keep the order of retried sends', async () => {
    const contents = [ann, bob, cid].map((userId) => [userId, ''] as const)
    const texts = ['one', 'two', 'three', 'four']
    const sendInTurn = (text: string) =>
      here.messages.send(group, ann, new Map(contents.map(([userId]) => [userId, text])))
    let later: Promise<unknown> | undefined
    const sends = await overtake(
      async () => texts.map(sendInTurn),
      async (tx) => {
        later = sendInTurn('five')
        await tx`update conversations set members_version = members_version + 1`
      },
    )
    await Promise.all([...sends, later])
    const emitted = here.emitted.map((event) => event.name === 'message_sent' && event.copies[0]?.content)
    expect(emitted).toEqual([...texts, 'five'])
  })

  it('check the rules of an edit when it is executed, not when it is queued', async () => {
    await send(here)
    const [message] = (await here.messages.latest(ann, group)).items
    const groupId = message?.groupId ?? ''
    const edit = () =>
      resultOf(here.messages.edit(group, ann, { groupId, copies: contentsFor([ann, bob, cid], 'edited') }))
    expect(await overtake(edit, (tx) => takeOut(tx, cid))).toBe('too_many_recipients')
    const deletion = there.messages.delete.bind(there.messages, group, ann, groupId)
    const raced = await overtake(edit, async (tx) => {
      await tx`update message_groups set deleted_seq = 3, recipients = null, copies = null where id = ${groupId}`
      await tx`update conversations set last_seq = 3`
    })
    expect(raced).toBe('no_message')
    expect(await resultOf(deletion())).toBe('no_message')
    expect(await deliveredTo(ann)).toEqual([])
  })

  it('lock conversations in the order of their ids', async () => {
    const ids = Array.from({ length: 12 }, (_, n) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`)
    // As they lie in the table, their order is another.
    for (const id of ids.toReversed())
      await sql`insert into conversations (id, private) values (${id}, false)`
    const node = await openChat(dbs[0], { workers: 1 })
    const middle = ids[6] as string
    let sends: Promise<string[]> | undefined
    await sql.begin(async (tx) => {
      await tx`select from conversations where id = ${middle} for update`
      sends = Promise.all(ids.map((id) => send(node, id)))
      await waiting(1)
      const free =
        await sql`select id from conversations where id = any(${ids}) order by id for update skip locked`
      expect(free.map((row) => row.id)).toEqual(ids.slice(7))
    })
    expect(new Set(await sends)).toEqual(new Set(['no_conversation']))
  })

  it('never deadlock each other', async () => {
    const groups = await Promise.all(Array.from({ length: 12 }, () => startGroup(here, [ann, bob])))
    const outcomes = await Promise.all(
      [here, there].flatMap((node, reverse) =>
        Array.from({ length: 600 }, (_, n) => {
          const index = reverse ? 11 - (n % 12) : n % 12
          return send(node, groups[index] as string, [ann, bob])
        }),
      ),
    )
    expect(new Set(outcomes)).toEqual(new Set(['ok']))
    const deadlocks =
      await sql`select deadlocks::int from pg_stat_database where datname = current_database()`
    expect(deadlocks).toEqual([{ deadlocks: 0 }])
    for (const id of groups)
      expect(seqsTold([here, there], id)).toEqual(Array.from({ length: 100 }, (_, n) => n + 1))
  })

  it('retry a statement that the database aborts to resolve a deadlock', async () => {
    const groups = (await Promise.all([startGroup(here, [ann]), startGroup(here, [ann])])).toSorted()
    const [first, second] = groups as [string, string]
    const node = await openChat(dbs[0], { workers: 1 })
    const sends = await sql.begin(async (tx) => {
      // So that it is the queue's statement, which waits first, that is given up.
      await tx`set local deadlock_timeout = '1min'`
      await tx`select from conversations where id = ${second} for update`
      const both = [send(node, first, [ann]), send(node, second, [ann])]
      await waiting(1)
      await tx`select from conversations where id = ${first} for update`
      return { outcomes: Promise.all(both) }
    })
    expect(await sends.outcomes).toEqual(['ok', 'ok'])
  })

  it('retry after a lock timeout', async () => {
    const db = await openDatabase({ kind: 'postgres', url, poolSize: 1 })
    onTestFinished(() => db.close())
    await db.rows('set lock_timeout = 20', [])
    let tries = 0
    const rows: Database['rows'] = (statement, params) => {
      if (statement.includes('insert into message_groups')) tries++
      return db.rows(statement, params)
    }
    const node = await openChat({ ...db, rows })
    let sending: Promise<string> | undefined
    await sql.begin(async (tx) => {
      await tx`select from conversations where id = ${group} for update`
      sending = send(node)
      await vi.waitFor(() => expect(tries).toBeGreaterThan(2), { timeout: 20_000 })
    })
    expect(await sending).toBe('ok')
    expect(await deliveredTo(ann)).toEqual([1])
  })

  it('assign every concurrent change a unique seq without gaps', {
    timeout: 120_000,
  }, async () => {
    const nodes = [here, there]
    const groups = [group, await startGroup(here, [ann, bob, cid]), await startGroup(here, [ann, bob, cid])]
    const act = async (n: number) => {
      const node = nodes[n % 2] as Chat
      const id = groups[n % 3] as string
      const sent = node.emitted.findLast(
        (event) => event.name === 'message_sent' && event.conversationId === id,
      )
      const groupId = sent && 'groupId' in sent ? sent.groupId : ''
      switch (n % 7) {
        case 0:
          return resultOf(node.messages.delete(id, ann, groupId))
        case 1:
          return resultOf(node.conversations.leave(id, cid))
        case 2:
          return resultOf(node.conversations.addMembers(id, ann, { newMembers: [cid] }))
        case 3:
        case 4:
          return resultOf(node.messages.edit(id, ann, { groupId, copies: contentsFor([ann, bob], 'y') }))
        default:
          return send(node, id, n % 2 ? [ann, bob] : [ann, bob, cid])
      }
    }
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 42 }, (_, n) => act(round * 42 + n)))
    }
    for (const id of groups) {
      const [row] = await sql`select last_seq::int as last from conversations where id = ${id}`
      const seqs = seqsTold(nodes, id)
      expect(seqs.length).toBeGreaterThan(20)
      expect(seqs).toEqual(Array.from({ length: row?.last }, (_, n) => n + 1))
      for (const node of nodes) {
        const own = node.emitted.filter((event) => event.conversationId === id).map(placeOf)
        expect(own).toEqual(own.toSorted((a, b) => a - b))
      }
    }
  })
})

function placeOf(event: EmittedEvent): number {
  return ('editSeq' in event ? event.editSeq : event.seq) as number
}

/** The seqs of the changes of a conversation in the events of the nodes, in order. */
function seqsTold(nodes: Chat[], conversationId: string): number[] {
  return nodes
    .flatMap((node) => node.emitted)
    .filter((event) => event.conversationId === conversationId)
    .map(placeOf)
    .toSorted((a, b) => a - b)
}
