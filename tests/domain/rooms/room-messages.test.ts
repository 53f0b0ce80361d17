import { nanoid } from 'nanoid'
import { beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/errors.ts'
import { resultOf } from '../../support/chat-services.ts'
import { png, wav } from '../../support/media.ts'
import { addPerson, openRooms, type RoomNode, type RoomPerson } from '../../support/rooms.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const db = setUpEmptyDatabase()
let node: RoomNode
let [ann, bob]: RoomPerson[] = []
let roomId: string

beforeEach(async () => {
  node = openRooms(db)
  ann = await addPerson(db, 'ann')
  bob = await addPerson(db, 'bob')
  roomId = (await node.rooms.create(ann.id, { name: 'Chamber', userIds: [bob.id] })).id
})

const say = (text: string, previousMessageId?: string) =>
  node.rooms.post(roomId, ann!.id, { text, previousMessageId })

const receive = (bytes: Buffer, to = roomId) => node.media.receive([bytes], { roomId: to, ownerId: ann!.id })

describe('a post', () => {
  it('is stored with the next seq, and emits the stored message', async () => {
    const first = await say(' Hello, <b>you</b> 🦦\n')
    expect(first).toEqual({
      id: expect.stringMatching(/^[\w-]{21}$/),
      roomId,
      seq: 1,
      text: ' Hello, <b>you</b> 🦦\n',
      media: null,
      sender: { shortId: ann!.shortId, username: ann!.username },
      previous: null,
      insertedAt: new Date(node.clock.now()),
    })
    const reply = await node.rooms.post(roomId, bob!.id, { text: 'Hi', previousMessageId: first.id })
    expect(reply).toMatchObject({
      seq: 2,
      previous: { id: first.id, text: first.text, format: null, username: ann!.username },
    })
    expect(node.emitted).toEqual([
      { name: 'room_message', ...first },
      { name: 'room_message', ...reply },
    ])
    expect((await node.rooms.history(roomId, bob!.id)).items).toEqual([reply, first])
  })

  it('may be a file, and a reply to it names the format', async () => {
    const upload = await receive(png())
    const message = await node.rooms.post(roomId, ann!.id, { media: upload })
    const media = { id: upload.id, format: 'image', contentType: 'image/png', size: png().length }
    expect(message).toMatchObject({ text: null, media })
    const reply = await node.rooms.post(roomId, ann!.id, {
      media: await receive(wav()),
      previousMessageId: message.id,
    })
    expect(reply).toMatchObject({
      media: { format: 'audio' },
      previous: { id: message.id, text: null, format: 'image', username: ann!.username },
    })
    expect(node.fileCount()).toBe(2)
  })

  it('leaves no file when it is rejected', async () => {
    const other = await node.rooms.create(bob!.id, { name: 'Other', userIds: [] })
    const send = async (to: string, previousMessageId?: string) =>
      resultOf(node.rooms.post(to, ann!.id, { media: await receive(png(), to), previousMessageId }))
    expect(await send(other.id)).toBe('not_member')
    expect(await send('x')).toBe('no_room')
    expect(await send(nanoid())).toBe('no_room')
    expect(await send(roomId, 'x')).toBe('no_message')
    expect(await send(roomId, nanoid())).toBe('no_message')
    expect(node.fileCount()).toBe(0)
    expect(await db.rows('select 1 from media', [])).toEqual([])
    expect(node.emitted).toEqual([])
  })

  it('takes a seq only when it is stored, so that there are no gaps', async () => {
    await say('one')
    expect(await resultOf(say('two', nanoid()))).toBe('no_message')
    const mallory = await addPerson(db, 'mallory')
    expect(await resultOf(node.rooms.post(roomId, mallory.id, { text: 'x' }))).toBe('not_member')
    expect((await say('three')).seq).toBe(2)
  })

  it('replies only to a message of the same room', async () => {
    const other = await node.rooms.create(ann!.id, { name: 'Other', userIds: [] })
    const elsewhere = await node.rooms.post(other.id, ann!.id, { text: 'elsewhere' })
    for (const id of [elsewhere.id, nanoid(), '', '\0', 'x'])
      expect(await resultOf(say('x', id))).toBe('no_message')
  })

  it.each([
    ['empty', '', 'must not be empty'],
    ['blank', ' \t\n', 'must not be empty'],
    ['with a NUL', 'nul \0', 'has characters that cannot be stored'],
    ['with half a character', 'half \ud83e', 'has characters that cannot be stored'],
    ['too long', 'é'.repeat(32_769), 'must have at most 65536 bytes'],
  ])('rejects %s', async (_what, text, message) => {
    const error = await say(text).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(AppError)
    expect(error.fields).toEqual({ message: [message] })
  })

  it('accepts 65536 bytes', async () => {
    expect((await say('é'.repeat(32_768))).text).toHaveLength(32_768)
  })
})

describe('concurrent posts', () => {
  it('emit their events in the order of seq, without gaps', async () => {
    const posts = Array.from({ length: 60 }, (_, i) =>
      node.rooms.post(roomId, i % 2 ? ann!.id : bob!.id, { text: `n${i}` }),
    )
    const stored = await Promise.all(posts)
    expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, i) => i + 1))
    expect(node.emitted.map((event) => event.name === 'room_message' && event.seq)).toEqual(
      stored.map(({ seq }) => seq),
    )
  })

  it('of two nodes get one order', async () => {
    const other = openRooms(db, node.clock)
    const posts = Array.from({ length: 40 }, (_, i) =>
      (i % 2 ? node : other).rooms.post(roomId, ann!.id, { text: `n${i}` }),
    )
    const seqs = (await Promise.all(posts)).map(({ seq }) => seq)
    expect(seqs.sort((a, b) => a - b)).toEqual(posts.map((_, i) => i + 1))
  })

  it('that race with a removal are stored before it or rejected', async () => {
    const other = openRooms(db, node.clock)
    const posts = Array.from({ length: 20 }, (_, i) =>
      resultOf(other.rooms.post(roomId, bob!.id, { text: `n${i}` })),
    )
    const removal = node.rooms.removeMember(roomId, ann!.id, bob!.id)
    const outcomes = await Promise.all(posts)
    await removal
    expect(await resultOf(node.rooms.post(roomId, bob!.id, { text: 'too late' }))).toBe('not_member')
    const kept = outcomes.filter((outcome) => outcome === 'ok').length
    expect(new Set(outcomes.slice(kept))).not.toContain('ok')
    expect(await db.rows('select 1 from room_messages', [])).toHaveLength(kept)
  })
})

describe('the history of a room', () => {
  it('returns pages of ten, newest first, each with a cursor to the next', async () => {
    for (let i = 1; i <= 25; i++) await say(`n${i}`)
    const first = await node.rooms.history(roomId, bob!.id)
    expect(first.items.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, (_, i) => `n${25 - i}`))
    await say('later')
    const second = await node.rooms.history(roomId, bob!.id, { cursor: first.pageToken! })
    expect(second.items[0]?.text).toBe('n15')
    const third = await node.rooms.history(roomId, bob!.id, { cursor: second.pageToken! })
    expect(third.items.map(({ text }) => text)).toEqual(['n5', 'n4', 'n3', 'n2', 'n1'])
    expect(third.pageToken).toBeNull()
  })

  it('ends with a full page', async () => {
    for (let i = 1; i <= 10; i++) await say(`n${i}`)
    expect(await node.rooms.history(roomId, ann!.id)).toMatchObject({ pageToken: null })
  })

  it('rejects non-members, and a cursor of another user or room', async () => {
    for (let i = 1; i <= 11; i++) await say(`n${i}`)
    const { pageToken } = await node.rooms.history(roomId, ann!.id)
    const other = await node.rooms.create(ann!.id, { name: 'Other', userIds: [] })
    const read = (room: string, user: RoomPerson, cursor: string) =>
      resultOf(node.rooms.history(room, user.id, { cursor }))
    expect(await read(roomId, ann!, pageToken!)).toBe('ok')
    expect(await read(roomId, bob!, pageToken!)).toBe('invalid_page_token')
    expect(await read(other.id, ann!, pageToken!)).toBe('invalid_page_token')
    expect(await read(roomId, ann!, `${pageToken}x`)).toBe('invalid_page_token')
    const mallory = await addPerson(db, 'mallory')
    expect(await read(roomId, mallory, pageToken!)).toBe('not_member')
    expect(await read(nanoid(), ann!, '')).toBe('no_room')
  })

  it('is read together with others, each with the access of its reader', async () => {
    const other = await node.rooms.create(ann!.id, { name: 'Other', userIds: [] })
    await say('here')
    await node.rooms.post(other.id, ann!.id, { text: 'there' })
    const read = async (id: string, user: RoomPerson) => {
      const page = node.rooms.history(id, user.id)
      return page.then(({ items }) => items.map(({ text }) => text)).catch(({ code }) => code)
    }
    const pages = [read(roomId, ann!), read(roomId, bob!), read(other.id, ann!), read(other.id, bob!)]
    expect(await Promise.all([...pages, read(nanoid(), ann!), read('x', ann!)])).toEqual([
      ['here'],
      ['here'],
      ['there'],
      'not_member',
      'no_room',
      'no_room',
    ])
  })
})
