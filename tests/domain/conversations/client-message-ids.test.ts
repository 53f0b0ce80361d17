import { v4 as newId } from 'uuid'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { type Chat, contentsFor, resultOf, setUpGroupOfTwo, startGroup } from '../../support/chat-services.ts'
import { png } from '../../support/media.ts'
import { openRooms, type RoomNode } from '../../support/rooms.ts'

let db: Database
let chat: Chat
let [ann, bob, cid, group] = ['', '', '', '']

setUpGroupOfTwo((given) => {
  ;({ db, chat, ann, bob, cid, group } = given)
})

const send = (id: string | undefined, text: string, to = [ann, bob], from = ann, where = group) =>
  chat.messages.send(where, from, contentsFor(to, text), { clientMessageId: id })

async function texts(): Promise<string[]> {
  const { items } = await chat.messages.latest(ann, group)
  return items.map(({ seq, content }) => `${seq} ${content}`).toReversed()
}

const lastSeq = async () =>
  (
    await db.rows<{ seq: number }>('select last_seq::float8 as seq from conversations where id = $1', [group])
  )[0]?.seq

describe('a message with a repeated client message id', () => {
  it('resolves with the first message and emits no second event, even if the content differs', async () => {
    const id = newId()
    const first = await send(id, 'hello')
    await send(undefined, 'in between')
    expect(await send(id, 'hello, encrypted anew')).toEqual(first)
    expect(await send(id.toUpperCase(), 'hello')).toEqual(first)
    expect(await texts()).toEqual(['1 hello', '2 in between'])
    expect(await lastSeq()).toBe(2)
    expect(chat.emitted.map(({ name }) => name)).toEqual(['message_sent', 'message_sent'])
    expect(chat.emitted[0]).toMatchObject({ groupId: first.groupId, seq: 1, insertedAt: first.insertedAt })
  })

  it('is recognised within a batch of new messages', async () => {
    const ids = [newId(), newId()] as const
    const sends = [ids[0], ids[1], ids[0], undefined, ids[1], ids[0], undefined]
    const sent = await Promise.all(sends.map((id, n) => send(id, `text ${n}`)))
    expect(sent.map(({ seq }) => seq)).toEqual([1, 2, 1, 3, 2, 1, 4])
    expect(new Set(sent.map(({ groupId }) => groupId)).size).toBe(4)
    expect(await texts()).toEqual(['1 text 0', '2 text 1', '3 text 3', '4 text 6'])
    expect(await lastSeq()).toBe(4)
    expect(chat.emitted).toHaveLength(4)
  })

  it('is recognised after the first message was edited or deleted', async () => {
    const id = newId()
    const first = await send(id, 'hello')
    await chat.messages.edit(group, ann, {
      groupId: first.groupId,
      copies: contentsFor([ann, bob], 'edited'),
    })
    expect(await send(id, 'hello')).toEqual(first)
    expect(await texts()).toEqual(['1 edited'])
    await chat.messages.delete(group, ann, first.groupId)
    expect(await send(id, 'hello')).toEqual(first)
    expect(await texts()).toEqual([])
    expect(await lastSeq()).toBe(3)
  })

  it('is recognised even if a new message would be rejected', async () => {
    const id = newId()
    const first = await send(id, 'hello')
    await chat.conversations.addMembers(group, ann, { newMembers: [cid] })
    expect(await send(id, 'hello')).toEqual(first)
    expect(await send(id, 'hello', [])).toEqual(first)
    await chat.conversations.leave(group, ann)
    expect(await send(id, 'hello')).toEqual(first)
    expect(await resultOf(send(newId(), 'hello'))).toBe('no_conversation')
  })

  it('is stored if the first attempt was rejected', async () => {
    const id = newId()
    const attempts = [
      send(id, 'one', [ann]),
      send(id, 'two', [ann, bob, cid]),
      send(id, 'three'),
      send(id, 'four'),
    ]
    expect(await Promise.all(attempts.map(resultOf))).toEqual([
      'not_enough_recipients',
      'too_many_recipients',
      'ok',
      'ok',
    ])
    expect(await texts()).toEqual(['1 three'])
  })

  it('is distinct per sender and per conversation', async () => {
    const id = newId()
    const other = await startGroup(chat, [ann, bob])
    const sent = await Promise.all([
      send(id, 'of Ann'),
      send(id, 'of Bob', [ann, bob], bob),
      send(id, 'elsewhere', [ann, bob], ann, other),
    ])
    expect(new Set(sent.map(({ groupId }) => groupId)).size).toBe(3)
    expect(await texts()).toEqual(['1 of Ann', '2 of Bob'])
  })

  it('is rejected if the id is not a UUID', async () => {
    for (const id of ['', 'x', `${newId()}x`, '\0'])
      expect(await resultOf(send(id, 'hello'))).toBe('validation_failed')
    expect(await texts()).toEqual([])
  })
})

describe('a room post with a repeated client message id', () => {
  let node: RoomNode
  let room: string

  beforeEach(async () => {
    node = openRooms(db)
    room = (await node.rooms.create(ann, { name: 'Chamber', userIds: [bob] })).id
  })

  const say = (clientMessageId: string | undefined, text: string, from = ann) =>
    node.rooms.post(room, from, { text, clientMessageId })

  const show = async (clientMessageId: string) => {
    const media = await node.media.receive([png()], { roomId: room, ownerId: ann })
    return node.rooms.post(room, ann, { media, clientMessageId })
  }

  it('resolves with the first message and emits no second event', async () => {
    const id = newId()
    const first = await say(id, 'hello')
    const reply = await node.rooms.post(room, bob, {
      text: 'hi',
      previousMessageId: first.id,
      clientMessageId: id,
    })
    expect(await say(id.toUpperCase(), 'something else')).toEqual(first)
    expect(await say(id, 'hi', bob)).toEqual(reply)
    expect(await node.rooms.findSent(room, bob, id)).toEqual(reply)
    expect(await node.rooms.findSent(room, cid, id)).toBeUndefined()
    expect((await node.rooms.history(room, ann)).items).toEqual([reply, first])
    expect(node.emitted).toHaveLength(2)
    expect((await say(undefined, 'next')).seq).toBe(3)
  })

  it('stores no second file', async () => {
    const id = newId()
    const [first, ...others] = await Promise.all(Array.from({ length: 5 }, () => show(id)))
    for (const other of others) expect(other).toEqual(first)
    expect(await say(id, 'a text')).toEqual(first)
    expect(await show(id)).toEqual(first)
    expect(node.fileCount()).toBe(1)
    expect(await db.rows('select 1 as row from media', [])).toHaveLength(1)
    expect(node.emitted).toHaveLength(1)
  })

  it('is recognised after the sender was removed from the room', async () => {
    const id = newId()
    const first = await say(id, 'hello', bob)
    await node.rooms.removeMember(room, ann, bob)
    expect(await say(id, 'hello', bob)).toEqual(first)
    expect(await resultOf(say(newId(), 'hello', bob))).toBe('not_member')
  })

  it('is rejected if the id is not a UUID', async () => {
    for (const id of ['', 'x', '\0']) {
      expect(await resultOf(say(id, 'hello'))).toBe('validation_failed')
      expect(await resultOf(show(id))).toBe('validation_failed')
    }
    expect(node.fileCount()).toBe(0)
  })
})
