import { v7 as newId } from 'uuid'
import { describe, expect, it } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { parseEncryptedMessages } from '../../../src/input/encrypted-messages.ts'
import { type Chat, contentsFor, resultOf, setUpGroupOfTwo, startGroup } from '../../support/chat-services.ts'

let db: Database
let chat: Chat
let [ann, bob, cid, group] = ['', '', '', '']

setUpGroupOfTwo((given) => {
  ;({ db, chat, ann, bob, cid, group } = given)
})

const send = (text: string, to = [ann, bob]) => chat.messages.send(group, ann, contentsFor(to, text))
const edit = (by: string, groupId: string, text: string, to = [ann, bob]) =>
  chat.messages.edit(group, by, { groupId, copies: contentsFor(to, text) })
const remove = (by: string, groupId: string) => chat.messages.delete(group, by, groupId)

async function history(userId: string) {
  return (await chat.messages.latest(userId, group)).items
}

async function contents(userId: string): Promise<string[]> {
  return (await history(userId)).map((message) => message.content)
}

/** Sends a message, and returns it as Ann has it. */
async function sent(text: string) {
  await send(text)
  const [message] = await history(ann)
  if (!message) throw new Error('The message is not there.')
  return message
}

describe('sending', () => {
  it('stores a copy for each member and emits an event', async () => {
    const copies = new Map([
      [ann, 'for ann'],
      [bob, 'for "bob" \\ 😀 {,}\n'],
    ])
    await chat.messages.send(group, ann, copies)
    const [anns] = await history(ann)
    const [bobs] = await history(bob)
    expect(anns).toEqual({
      id: expect.any(String),
      groupId: expect.any(String),
      senderId: ann,
      content: 'for ann',
      shared: null,
      seq: 1,
      insertedAt: expect.any(Number),
      updatedAt: anns?.insertedAt,
    })
    expect(bobs).toEqual({ ...anns, id: bobs?.id, content: copies.get(bob) })
    const { id: _, content: __, ...shared } = anns as NonNullable<typeof anns>
    expect(chat.emitted).toEqual([
      {
        name: 'message_sent',
        conversationId: group,
        ...shared,
        copies: [
          { id: anns?.id, recipientId: ann, content: 'for ann' },
          { id: bobs?.id, recipientId: bob, content: copies.get(bob) },
        ],
      },
    ])
  })

  it('assigns seq and sortable ids in the order of sending', async () => {
    const texts = Array.from({ length: 20 }, (_, n) => `message ${n}`)
    await Promise.all(texts.map((text) => send(text)))
    const found = (await history(bob)).toReversed()
    expect(found.map(({ content }) => content)).toEqual(texts)
    expect(found.map(({ seq }) => seq)).toEqual(texts.map((_, n) => n + 1))
    expect(found.map(({ groupId }) => groupId)).toEqual(found.map(({ groupId }) => groupId).toSorted())
    expect(chat.emitted.map((event) => event.seq)).toEqual(found.map(({ seq }) => seq))
  })

  it('rejects users who are not members', async () => {
    const contents = contentsFor([ann, bob], 'hello')
    expect(await resultOf(chat.messages.send(group, cid, contents))).toBe('no_conversation')
    expect(await resultOf(chat.messages.send(newId(), ann, contents))).toBe('no_conversation')
    expect(await resultOf(chat.messages.send('undefined', ann, contents))).toBe('no_conversation')
    expect(await history(ann)).toEqual([])
    expect(chat.emitted).toEqual([])
  })

  it('requires exactly one copy for each member, compared by id', async () => {
    expect(await resultOf(send('hello', []))).toBe('not_enough_recipients')
    expect(await resultOf(send('hello', [ann]))).toBe('not_enough_recipients')
    expect(await resultOf(send('hello', [ann, cid]))).toBe('not_enough_recipients')
    expect(await resultOf(send('hello', [ann, newId(), newId()]))).toBe('not_enough_recipients')
    expect(await resultOf(send('hello', [ann, bob, cid]))).toBe('too_many_recipients')
    expect(await resultOf(send('hello', [ann, bob, newId()]))).toBe('too_many_recipients')
    expect(chat.emitted).toEqual([])
    expect((await sent('hello')).seq).toBe(1)
  })

  it('includes added members and excludes those who left', async () => {
    await chat.conversations.addMembers(group, ann, { newMembers: [cid] })
    expect(await resultOf(send('one'))).toBe('not_enough_recipients')
    expect(await resultOf(send('two', [ann, bob, cid]))).toBe('ok')
    await chat.conversations.leave(group, cid)
    expect(await resultOf(send('three', [ann, bob, cid]))).toBe('too_many_recipients')
    expect(await resultOf(send('four'))).toBe('ok')
    expect(await contents(ann)).toEqual(['four', 'two'])
    await chat.conversations.addMembers(group, ann, { newMembers: [cid] })
    expect(await contents(cid)).toEqual(['two'])
  })

  it('accepts a conversation id in upper case', async () => {
    await chat.messages.send(group.toUpperCase(), ann, contentsFor([ann, bob], 'hello'))
    expect(await contents(bob)).toEqual(['hello'])
  })
})

describe('editing', () => {
  it('replaces the copies, keeps their ids and seq, and emits an event with the next seq', async () => {
    const original = await sent('before')
    await send('later')
    await edit(ann, original.groupId.toUpperCase(), 'after')
    const [later, edited] = await history(ann)
    expect(later?.content).toBe('later')
    expect(edited).toEqual({ ...original, content: 'after', updatedAt: edited?.updatedAt })
    expect(edited?.updatedAt).toBeGreaterThanOrEqual(original.updatedAt)
    const bobs = (await history(bob))[1]
    expect(chat.emitted.at(-1)).toEqual({
      name: 'message_edited',
      conversationId: group,
      groupId: original.groupId,
      senderId: ann,
      seq: 1,
      editSeq: 3,
      insertedAt: original.insertedAt,
      updatedAt: edited?.updatedAt,
      shared: null,
      copies: [
        { id: original.id, recipientId: ann, content: 'after' },
        { id: bobs?.id, recipientId: bob, content: 'after' },
      ],
    })
  })

  it('can be repeated, each time with a new edit seq', async () => {
    const { groupId } = await sent('one')
    await edit(ann, groupId, 'two')
    await edit(ann, groupId, 'three')
    expect(await contents(bob)).toEqual(['three'])
    expect(chat.emitted.map((event) => ('editSeq' in event ? event.editSeq : event.seq))).toEqual([1, 2, 3])
  })

  it('gives later members a copy at the original position, and former members none', async () => {
    const { groupId, seq } = await sent('before')
    await chat.conversations.addMembers(group, ann, { newMembers: [cid] })
    await chat.conversations.leave(group, bob)
    await edit(ann, groupId, 'after', [ann, cid])
    const [copy] = await history(cid)
    expect(copy).toMatchObject({ groupId, seq, content: 'after' })
    expect(chat.emitted.at(-1)).toMatchObject({
      copies: [{ recipientId: ann }, { id: copy?.id, recipientId: cid }],
    })
    await chat.conversations.addMembers(group, ann, { newMembers: [bob] })
    expect(await contents(bob)).toEqual([])
  })

  it('checks membership, the message, its sender and the recipients, in this order', async () => {
    const { groupId } = await sent('before')
    expect(await resultOf(edit(cid, newId(), 'x'))).toBe('no_conversation')
    expect(await resultOf(edit(bob, newId(), 'x', []))).toBe('no_message')
    expect(await resultOf(edit(bob, groupId, 'x', []))).toBe('not_sender')
    expect(await resultOf(edit(ann, groupId, 'x', [ann, cid]))).toBe('not_enough_recipients')
    expect(await resultOf(edit(ann, groupId, 'x', [ann, bob, cid]))).toBe('too_many_recipients')
    expect(await resultOf(chat.messages.edit('x', ann, { groupId, copies: new Map() }))).toBe(
      'no_conversation',
    )
    expect(await contents(bob)).toEqual(['before'])
    await send('next')
    expect(chat.emitted.map((event) => event.seq)).toEqual([1, 2])
  })

  it('rejects a deleted message, one of another conversation, and an invalid id', async () => {
    const { groupId } = await sent('before')
    const other = await startGroup(chat, [ann, bob])
    const copies = contentsFor([ann, bob], 'x')
    expect(await resultOf(chat.messages.edit(other, ann, { groupId, copies }))).toBe('no_message')
    await remove(ann, groupId)
    for (const text of [groupId, 'undefined', '', '\0']) {
      expect(await resultOf(edit(ann, text, 'x'))).toBe('no_message')
    }
  })

  it('is rejected after the sender left', async () => {
    const { groupId } = await sent('before')
    await chat.conversations.leave(group, ann)
    expect(await resultOf(edit(ann, groupId, 'x', [bob]))).toBe('no_conversation')
  })
})

describe('deleting', () => {
  it('removes the copies, leaves a tombstone, and emits an event with the next seq', async () => {
    const { groupId } = await sent('secret')
    await send('later')
    await remove(ann, groupId.toUpperCase())
    expect(await contents(ann)).toEqual(['later'])
    expect(await contents(bob)).toEqual(['later'])
    expect(chat.emitted.at(-1)).toEqual({
      name: 'message_deleted',
      conversationId: group,
      groupId,
      seq: 3,
      memberIds: [ann, bob],
    })
    const marker =
      'select seq::int as seq, deleted_seq::int as deleted, recipients, copies from message_groups where id = $1'
    const tombstone = { seq: 1, deleted: 3, recipients: null, copies: null }
    expect(await db.rows(marker, [groupId])).toEqual([tombstone])
  })

  it('checks membership, the message and its sender, in this order', async () => {
    const { groupId } = await sent('secret')
    expect(await resultOf(remove(cid, groupId))).toBe('no_conversation')
    expect(await resultOf(chat.messages.delete('undefined', ann, groupId))).toBe('no_conversation')
    for (const text of [newId(), 'undefined', ''])
      expect(await resultOf(remove(bob, text))).toBe('no_message')
    expect(await resultOf(remove(bob, groupId))).toBe('not_sender')
    expect(await resultOf(remove(ann, groupId))).toBe('ok')
    expect(await resultOf(remove(ann, groupId))).toBe('no_message')
  })

  it('rejects a message of another conversation', async () => {
    const { groupId } = await sent('secret')
    const other = await startGroup(chat, [ann, bob])
    expect(await resultOf(chat.messages.delete(other, ann, groupId))).toBe('no_message')
    expect(await contents(bob)).toEqual(['secret'])
  })
})

describe('the recipients in a request', () => {
  it('are converted to lower case', () => {
    const contents = parseEncryptedMessages({ [ann.toUpperCase()]: 'a', [bob]: '' })
    expect(contents).toEqual(
      new Map([
        [ann, 'a'],
        [bob, ''],
      ]),
    )
  })

  it.each([
    ['no user id', () => ({ somebody: 'x' })],
    ['the name of a prototype', () => JSON.parse('{"__proto__": "x"}')],
    ['one user twice', () => ({ [ann]: 'x', [ann.toUpperCase()]: 'y' })],
    ['a copy of more than 64 KiB', () => ({ [ann]: 'x'.repeat(65_537) })],
    ['a copy of more than 64 KiB in UTF-8', () => ({ [ann]: 'ü'.repeat(32_769) })],
    ['NUL', () => ({ [ann]: 'a\0b' })],
    ['half a surrogate pair', () => ({ [ann]: 'a\ud83d' })],
  ])('are rejected with %s', (_what, encryptedMessages) => {
    expect(() => parseEncryptedMessages(encryptedMessages())).toThrow(
      expect.objectContaining({
        code: 'validation_failed',
        fields: { encrypted_messages: [expect.any(String)] },
      }),
    )
  })

  it('accept copies of 64 KiB', async () => {
    const contents = parseEncryptedMessages({ [ann]: 'x'.repeat(65_536), [bob]: 'ü'.repeat(32_768) })
    await chat.messages.send(group, ann, contents)
    expect((await history(bob))[0]?.content).toHaveLength(32_768)
  })
})
