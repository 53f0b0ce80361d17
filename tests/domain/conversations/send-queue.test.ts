import { setImmediate } from 'node:timers/promises'
import { v7 as newId } from 'uuid'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import type { Draft } from '../../../src/db/queries/conversations/send-batch.ts'
import {
  addPeople,
  type Chat,
  contentsFor,
  openChat,
  resultOf,
  startGroup,
} from '../../support/chat-services.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const db = setUpEmptyDatabase()
let ann: string
let bob: string

beforeEach(async () => {
  ;[ann, bob] = await addPeople(db, 'ann', 'bob')
})

function draft(conversationId: string, content: string): Draft {
  const copies = [ann, bob].map((recipientId) => ({ id: newId(), recipientId, content }))
  return { conversationId, senderId: ann, groupId: newId(), copies }
}

/** The database, counting the statements that store sends. */
function countingDatabase() {
  const counted = { statements: 0 }
  const rows: Database['rows'] = (statement, params) => {
    if (statement.includes('insert into message_groups')) counted.statements++
    return db.rows(statement, params)
  }
  return { counted, db: { ...db, rows } }
}

/** The events of a conversation, as `name seq`. */
function toldOf(chat: Chat, conversationId: string): string[] {
  return chat.emitted
    .filter((event) => event.conversationId === conversationId)
    .map((event) => `${event.name} ${'editSeq' in event ? event.editSeq : event.seq}`)
}

async function storedSeqs(conversationId: string): Promise<number[]> {
  const rows = await db.rows<{ seq: number }>(
    'select seq::float8 as seq from message_groups where conversation_id = $1 order by seq',
    [conversationId],
  )
  return rows.map((row) => row.seq)
}

describe('sends', () => {
  it('are batched when concurrent, or when they arrive while a statement is in flight', async () => {
    const { counted, db } = countingDatabase()
    const chat = await openChat(db, { workers: 1 })
    const group = await startGroup(chat, [ann, bob])
    const sends = [1, 2].map((n) => chat.send(draft(group, `first ${n}`)))
    while (counted.statements === 0) await setImmediate()
    for (let n = 0; n < 100; n++) sends.push(chat.send(draft(group, 'in company')))
    await Promise.all(sends)
    expect(counted.statements).toBe(2)
    expect(await storedSeqs(group)).toEqual(Array.from({ length: 102 }, (_, n) => n + 1))
  })

  it.each([
    ['128 of them', { count: 300, copies: 1, length: 1 }, [128, 128, 44]],
    ['2,000 copies', { count: 9, copies: 500, length: 1 }, [4, 4, 1]],
    ['1 MiB', { count: 40, copies: 1, length: 65_536 }, [16, 16, 8]],
    ['one, however large', { count: 2, copies: 2_001, length: 1 }, [1, 1]],
  ])('are split into statements of at most %s', async (_what, { count, copies, length }, sizes) => {
    const batches: number[] = []
    const rows: Database['rows'] = async (statement, params) => {
      const found = await db.rows(statement, params)
      if (statement.includes('insert into message_groups')) batches.push(found.length)
      return found as never
    }
    const chat = await openChat({ ...db, rows }, { workers: 1 })
    const content = 'x'.repeat(length)
    const recipients = Array.from({ length: copies }, () => ({ id: newId(), recipientId: newId(), content }))
    const sends = Array.from({ length: count }, () =>
      chat.send({ conversationId: newId(), senderId: ann, groupId: newId(), copies: recipients }),
    )
    await Promise.allSettled(sends)
    expect(batches).toEqual(sizes)
  })

  it('emit their events in order, before their promises resolve', async () => {
    const chat = await openChat(db)
    const group = await startGroup(chat, [ann, bob])
    const order: string[] = []
    chat.events.on('message_sent', ({ seq }) => order.push(`emitted ${seq}`))
    await Promise.all(
      [1, 2, 3].map((n) => chat.send(draft(group, 'x')).then(() => order.push(`answered ${n}`))),
    )
    for (const n of [1, 2, 3])
      expect(order.indexOf(`emitted ${n}`)).toBeLessThan(order.indexOf(`answered ${n}`))
    expect(order.filter((entry) => entry.startsWith('emitted'))).toEqual([
      'emitted 1',
      'emitted 2',
      'emitted 3',
    ])
  })

  it('of many conversations get a gapless seq per conversation', async () => {
    const chat = await openChat(db)
    const groups = await Promise.all(Array.from({ length: 7 }, () => startGroup(chat, [ann, bob])))
    const sends = Array.from({ length: 210 }, (_, n) => {
      // Every fifth breaks a rule, and takes no place.
      const one = draft(groups[n % 7] as string, 'x')
      return resultOf(chat.send(n % 5 ? one : { ...one, copies: one.copies.slice(1) }))
    })
    const outcomes = await Promise.all(sends)
    expect(outcomes.filter((outcome) => outcome === 'not_enough_recipients')).toHaveLength(42)
    for (const group of groups) {
      const seqs = Array.from({ length: 24 }, (_, n) => n + 1)
      expect(await storedSeqs(group)).toEqual(seqs)
      expect(toldOf(chat, group)).toEqual(seqs.map((seq) => `message_sent ${seq}`))
    }
  })

  it('that the database rejects do not fail the others of the batch', async () => {
    const chat = await openChat(db, { workers: 1 })
    const group = await startGroup(chat, [ann, bob])
    const texts = Array.from({ length: 20 }, (_, n) => ([5, 6, 17].includes(n) ? 'NUL \0' : `fine ${n}`))
    const outcomes = await Promise.allSettled(texts.map((text) => chat.send(draft(group, text))))
    expect(outcomes.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([5, 6, 17])
    expect(outcomes[5]).toMatchObject({ reason: { code: '22021' } })
    const emitted = chat.emitted.map((event) =>
      event.name === 'message_sent' ? event.copies[0]?.content : '',
    )
    expect(emitted).toEqual(texts.filter((text) => text.startsWith('fine')))
    expect(await storedSeqs(group)).toEqual(Array.from({ length: 17 }, (_, n) => n + 1))
  })

  it('accept any text that can be stored', async () => {
    const chat = await openChat(db)
    const group = await startGroup(chat, [ann, bob])
    const texts = [
      '',
      ' ',
      '"',
      '\\',
      '{}',
      'NULL',
      ',',
      "'",
      '\n\t',
      '\\"',
      '😀',
      '"a","b"',
      '\\u0000',
      '\u0001',
    ]
    await Promise.all(texts.map((text) => chat.send(draft(group, text))))
    const found = (await chat.messages.latest(bob, group)).items.map((message) => message.content)
    expect(found.toReversed()).toEqual(texts)
  })
})

describe('the changes of a conversation', () => {
  it('keep their order, regardless of their kind', async () => {
    const chat = await openChat(db)
    const group = await startGroup(chat, [ann, bob])
    const first = draft(group, 'first')
    const contents = new Map(first.copies.map((copy) => [copy.recipientId, 'edited']))
    await Promise.all([
      chat.send(first),
      chat.send(draft(group, 'second')),
      chat.messages.edit(group, ann, { groupId: first.groupId, copies: contents }),
      chat.send(draft(group, 'third')),
      chat.messages.delete(group, ann, first.groupId),
      chat.send(draft(group, 'fourth')),
      chat.conversations.leave(group, bob),
      expect(resultOf(chat.send(draft(group, 'fifth')))).resolves.toBe('too_many_recipients'),
    ])
    expect(toldOf(chat, group)).toEqual([
      'message_sent 1',
      'message_sent 2',
      'message_edited 3',
      'message_sent 4',
      'message_deleted 5',
      'message_sent 6',
      'member_left 7',
    ])
  })

  it('do not delay the sends of other conversations', async () => {
    const { counted, db } = countingDatabase()
    const chat = await openChat(db, { workers: 1 })
    const [one, other] = [await startGroup(chat, [ann, bob]), await startGroup(chat, [ann, bob])]
    await Promise.all([
      chat.send(draft(one, 'goes with the others')),
      chat.send(draft(one, 'goes with the others')),
      chat.conversations.rename(one, ann, 'Friends'),
      chat.send(draft(one, 'waits for the new name')),
      chat.send(draft(other, 'goes with the others')),
      chat.send(draft(other, 'goes with the others')),
    ])
    expect(counted.statements).toBe(2)
    const emitted = chat.emitted.map((event) =>
      event.name === 'message_sent' ? event.copies[0]?.content : '',
    )
    expect(emitted.at(-1)).toBe('waits for the new name')
  })

  it('continue after one fails', async () => {
    const chat = await openChat(db, { workers: 1 })
    const group = await startGroup(chat, [ann, bob])
    const failing = chat.queue.change({
      stream: group,
      work: async () => {
        throw new Error('a bug')
      },
    })
    const sending = chat.send(draft(group, 'x'))
    await expect(failing).rejects.toThrow('a bug')
    await expect(sending).resolves.toMatchObject({ seq: 1 })
  })
})

describe('a full queue', () => {
  it('rejects more changes than its capacity, with a retry delay', async () => {
    const chat = await openChat(db, { limits: { changes: 2 } })
    const group = await startGroup(chat, [ann, bob])
    const sends = [draft(group, 'a'), draft(group, 'b')].map((one) => chat.send(one))
    await expect(chat.send(draft(group, 'c'))).rejects.toMatchObject({
      code: 'busy',
      retryAfterMs: expect.any(Number),
    })
    expect(await resultOf(chat.conversations.rename(group, ann, 'x'))).toBe('busy')
    await Promise.all(sends)
    expect(await resultOf(chat.messages.send(group, ann, new Map([[ann, 'x']])))).toBe(
      'not_enough_recipients',
    )
    expect(await storedSeqs(group)).toEqual([1, 2])
  })

  it('rejects more text than its capacity', async () => {
    const chat = await openChat(db, { limits: { size: 100 } })
    const group = await startGroup(chat, [ann, bob])
    const send = (text: string) =>
      resultOf(
        chat.messages.send(
          group,
          ann,
          new Map([
            [ann, text],
            [bob, text],
          ]),
        ),
      )
    const outcomes = await Promise.all([send('x'.repeat(40)), send('x'.repeat(11)), send('x'.repeat(10))])
    expect(outcomes).toEqual(['ok', 'busy', 'ok'])
    expect(await send('x'.repeat(50))).toBe('ok')
  })

  it('counts shared ciphertexts towards its capacity', async () => {
    const chat = await openChat(db, { limits: { size: 100 } })
    const group = await startGroup(chat, [ann, bob])
    const send = (shared: string) =>
      resultOf(chat.messages.send(group, ann, contentsFor([ann, bob], 'x'.repeat(10)), { shared }))
    expect(await Promise.all([send('x'.repeat(60)), send('x')])).toEqual(['ok', 'busy'])
    expect(await send('x'.repeat(80))).toBe('ok')
  })

  it('is idle when every change is stored or rejected', async () => {
    const chat = await openChat(db)
    const group = await startGroup(chat, [ann, bob])
    await chat.queue.idle()
    let answered = 0
    for (const one of [draft(group, 'a'), draft(newId(), 'b'), draft(group, 'NUL \0')]) {
      chat.send(one).then(
        () => answered++,
        () => answered++,
      )
    }
    await chat.queue.idle()
    expect(await storedSeqs(group)).toEqual([1])
    expect(answered).toBe(3)
  })
})
