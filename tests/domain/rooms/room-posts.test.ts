import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { nanoid } from 'nanoid'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { conversationSends } from '../../../src/domain/conversations/conversation-sends.ts'
import { contentsFor, openChat, resultOf, startGroup } from '../../support/chat-services.ts'
import { ManualClock } from '../../support/clock.ts'
import { png } from '../../support/media.ts'
import { addPerson, openRooms, type RoomNode, type RoomPerson } from '../../support/rooms.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const db = setUpEmptyDatabase()
let node: RoomNode
let [ann, bob, eve]: RoomPerson[] = []
let roomId: string
/** The kinds of the batches that were stored, in order. */
let batches: string[]

beforeEach(async () => {
  batches = []
  node = openRooms(countingDatabase(), new ManualClock(), { workers: 1 })
  ann = await addPerson(db, 'ann')
  bob = await addPerson(db, 'bob')
  eve = await addPerson(db, 'eve')
  roomId = await newRoom('Chamber')
})

function countingDatabase(): Database {
  const rows: Database['rows'] = (statement, params) => {
    if (statement.includes('insert into room_messages')) batches.push('room')
    if (statement.includes('insert into message_groups')) batches.push('conversation')
    return db.rows(statement, params)
  }
  return { ...db, rows }
}

async function newRoom(name: string): Promise<string> {
  return (await node.rooms.create(ann!.id, { name, userIds: [bob!.id] })).id
}

const say = (text: string, { by = ann!, to = roomId, ...post } = {} as Partial<SayOptions>) =>
  node.rooms.post(to, by.id, { text, ...post })

interface SayOptions {
  by: RoomPerson
  to: string
  previousMessageId: string
  clientMessageId: string
}

const emittedTexts = () => node.emitted.map((event) => event.name === 'room_message' && event.text)

async function storedSeqs(id = roomId): Promise<number[]> {
  const rows = await db.rows<{ seq: number }>(
    'select seq::float8 as seq from room_messages where room_id = $1 order by seq',
    [id],
  )
  return rows.map(({ seq }) => seq)
}

describe('a batch of posts', () => {
  it('stores the valid ones without gaps when others are refused', async () => {
    const first = await say('first')
    const other = await newRoom('Other')
    const results = await Promise.all([
      resultOf(say('one')),
      resultOf(say('of a stranger', { by: eve! })),
      resultOf(say('two', { previousMessageId: first.id })),
      resultOf(say('a reply to nothing', { previousMessageId: nanoid() })),
      resultOf(say('a reply to another room', { to: other, previousMessageId: first.id })),
      resultOf(say('to no room', { to: nanoid() })),
      resultOf(say('three', { by: bob! })),
    ])
    expect(results).toEqual(['ok', 'not_member', 'ok', 'no_message', 'no_message', 'no_room', 'ok'])
    expect(batches).toEqual(['room', 'room'])
    expect(await storedSeqs()).toEqual([1, 2, 3, 4])
    expect(await storedSeqs(other)).toEqual([])
    expect(emittedTexts()).toEqual(['first', 'one', 'two', 'three'])
  })

  it('emits what is stored, including the previous messages', async () => {
    const media = await node.media.receive([png()], { roomId, ownerId: bob!.id })
    const picture = await node.rooms.post(roomId, bob!.id, { media })
    const words = await say('"quoted" \\ {text}\n')
    await Promise.all([
      say('about the picture', { previousMessageId: picture.id }),
      say('about the words', { by: bob!, previousMessageId: words.id, clientMessageId: randomUUID() }),
      say('about nothing', { clientMessageId: randomUUID() }),
    ])
    const { items } = await node.rooms.history(roomId, ann!.id)
    expect(items).toHaveLength(5)
    expect(node.emitted).toEqual(items.toReversed().map((message) => ({ name: 'room_message', ...message })))
  })

  it('tells a sender about a refusal before the events of later posts', async () => {
    const order: string[] = []
    node.events.on('room_message', ({ text }) => order.push(`${text}`))
    await Promise.allSettled([
      say('one'),
      say('refused', { by: eve! }).catch(() => order.push('refusal')),
      say('two'),
    ])
    expect(order).toEqual(['one', 'refusal', 'two'])
  })

  it('stores a client message id once, within one batch and across batches', async () => {
    const clientMessageId = randomUUID()
    const same = { clientMessageId }
    const sent = await Promise.all([
      say('a', same),
      say('b', same),
      say('c'),
      say('of Bob', { by: bob!, ...same }),
    ])
    const again = await Promise.all([say('d', same), say('e', { clientMessageId: randomUUID() })])
    expect(sent.map(({ text }) => text)).toEqual(['a', 'a', 'c', 'of Bob'])
    expect(again[0]).toEqual(sent[0])
    expect(emittedTexts().toSorted()).toEqual(['a', 'c', 'e', 'of Bob'])
    expect(await storedSeqs()).toEqual([1, 2, 3, 4])
  })

  it('finds a repeated id even if the sender was removed since', async () => {
    const clientMessageId = randomUUID()
    const sent = await say('hello', { by: bob!, clientMessageId })
    await node.rooms.removeMember(roomId, ann!.id, bob!.id)
    expect(await say('hello', { by: bob!, clientMessageId })).toEqual(sent)
  })

  it('keeps the order of posts and member changes', async () => {
    const results = await Promise.all([
      resultOf(say('one', { by: bob! })),
      resultOf(node.rooms.addMembers(roomId, bob!.id, [eve!.id])),
      resultOf(say('two', { by: eve! })),
      resultOf(node.rooms.removeMember(roomId, ann!.id, eve!.id)),
      resultOf(say('three', { by: eve! })),
      resultOf(say('four')),
    ])
    expect(results).toEqual(['ok', 'ok', 'ok', 'ok', 'not_member', 'ok'])
    expect(node.emitted.map((event) => [event.name, 'seq' in event && event.seq])).toEqual([
      ['room_message', 1],
      ['room_member_added', false],
      ['room_message', 2],
      ['room_member_removed', 3],
      ['room_message', 4],
    ])
  })
})

describe('a worker that stores posts and conversation messages', () => {
  it('alternates between them in the order of arrival, so that neither starves', async () => {
    const counting = countingDatabase()
    const chat = await openChat(db, { workers: 1 })
    const group = await startGroup(chat, [ann!.id, bob!.id])
    const sends = conversationSends(counting, chat.events)
    const sendTo = (n: number) =>
      node.queue.send(sends, {
        conversationId: group,
        senderId: ann!.id,
        groupId: randomUUID(),
        copies: [...contentsFor([ann!.id, bob!.id], `n${n}`)].map(([recipientId, content]) => ({
          id: randomUUID(),
          recipientId,
          content,
        })),
      })
    const sent: Promise<unknown>[] = []
    for (let n = 0; n < 300; n++) sent.push(sendTo(n))
    sent.push(say('between'))
    for (let n = 0; n < 300; n++) sent.push(sendTo(n))
    sent.push(say('last'))
    await Promise.all(sent)
    expect(batches).toEqual([
      'conversation',
      'conversation',
      'conversation',
      'room',
      'conversation',
      'conversation',
    ])
    expect(await storedSeqs()).toEqual([1, 2])
  })
})

describe('a file that takes long to store', () => {
  it.each(['receive', 'keep'] as const)('does not delay the texts of others (%s)', async (step) => {
    const other = await newRoom('Other')
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    let isWaiting = false
    async function* slowly() {
      yield png()
      if (step === 'receive') {
        isWaiting = true
        await released
      }
    }
    const { settle } = node.media
    node.media.settle = async (...args) => {
      isWaiting = true
      await released
      return settle.apply(node.media, args)
    }
    const posting = node.media
      .receive(slowly(), { roomId, ownerId: ann!.id })
      .then((media) => node.rooms.post(roomId, ann!.id, { media }))
    while (!isWaiting) await setImmediate()
    await say('in another room', { to: other })
    const sameRoom = say('in the same room', { by: bob! })
    if (step === 'receive') await sameRoom
    release()
    await Promise.all([posting, sameRoom])
    // The event of a file is emitted when it can be downloaded, and before those of later posts.
    const [file, text] = step === 'receive' ? [2, 1] : [1, 2]
    expect((await posting).seq).toBe(file)
    expect((await sameRoom).seq).toBe(text)
    const seqs = node.emitted.map(
      (event) => event.name === 'room_message' && event.roomId === roomId && event.seq,
    )
    expect(seqs).toEqual([false, 1, 2])
  })
})
