import { randomUUID } from 'node:crypto'
import { nanoid } from 'nanoid'
import type { Channel } from 'phoenix'
import { describe, expect, it } from 'vitest'
import { startApp } from '../../support/app.ts'
import { mp3, png } from '../../support/media.ts'
import { type Json, listen, type PhoenixVersion, phoenixVersions, settle } from '../../support/phoenix.ts'
import {
  connectToRoom,
  fileFrame,
  messageEvent,
  nextEvent,
  replyFields,
  signUpMember,
  startRoom,
} from '../../support/room-clients.ts'

const sent = { status: 'ok', response: 'message_sent' }

async function twoInARoom(...settings: Parameters<typeof startApp>) {
  const app = await startApp(...settings)
  const { roomId, people } = await startRoom(app, 'ann', 'bob')
  const [ann, bob] = people
  const [annRoom, bobRoom] = [await ann.join(`room:${roomId}`), await bob.join(`room:${roomId}`)]
  return { app, roomId, ann, bob, annRoom, bobRoom }
}

/** Pushes a file in the binary format of phoenix.js. */
function pushFile(channel: Channel, event: string, metadata: unknown, bytes: Uint8Array) {
  const frame = fileFrame(metadata, bytes)
  const payload = frame.buffer.slice(frame.byteOffset, frame.byteOffset + frame.byteLength)
  return settle(channel.push(event, payload as unknown as object))
}

describe('joining room:<id>', () => {
  it('needs no token, and sends the number of connected members', async () => {
    const { ann, roomId } = await twoInARoom()
    const channel = ann.connect().channel(`room:${roomId}`, {})
    const active = listen(channel, 'chat.active')
    expect(await settle(channel.join())).toEqual({ status: 'ok', response: {} })
    expect(await active()).toEqual({ type: 'chat.active', content: 2 })
  })

  it('sends the count once to the first connection of a user', async () => {
    const app = await startApp()
    const { roomId, people } = await startRoom(app, 'ann')
    const channel = people[0].connect().channel(`room:${roomId}`, {})
    const counts: number[] = []
    channel.on('chat.active', ({ content }: Json) => void counts.push(content))
    await settle(channel.join())
    await settle(channel.push('typing', { message: '' }))
    expect(counts).toEqual([1])
  })

  it('is rejected with an invalid token, and may be retried', async () => {
    const { ann, bob, roomId } = await twoInARoom()
    for (const token of ['wrong', '', 7, bob.token]) {
      const join = await settle(ann.connect().channel(`room:${roomId}`, { token }).join())
      expect(join).toEqual({ status: 'error', response: 'unauthorized' })
    }
    const join = await settle(ann.connect().channel(`room:${roomId}`, { token: null }).join())
    expect(join.status).toBe('ok')
  })

  it('is rejected permanently for non-members and unknown or malformed ids', async () => {
    const { app, roomId } = await twoInARoom()
    const mallory = await app.signUp('mallory')
    const socket = mallory.connect()
    for (const [id, reason] of [
      [roomId, 'not_member'],
      [nanoid(), 'no_room'],
      ['', 'no_room'],
      ['undefined', 'no_room'],
      [`${roomId}\0`, 'no_room'],
    ]) {
      const channel = socket.channel(`room:${id}`, { token: mallory.token })
      const closed = new Promise<void>((resolve) => channel.onClose(() => resolve()))
      expect(await settle(channel.join())).toEqual({ status: 'error', response: reason })
      await closed
    }
    expect(app.services.roomPresence.count(roomId)).toBe(2)
  })
})

describe('events of room:<id>', () => {
  it('post a text, which the sender receives before the reply', async () => {
    const { ann, annRoom, bobRoom } = await twoInARoom()
    const nextEvent = listen(bobRoom, 'chat.message')
    const order: string[] = []
    annRoom.on('chat.message', () => void order.push('event'))
    expect(await settle(annRoom.push('message', { message: 'Hello, World!' }))).toEqual(sent)
    expect(order).toEqual(['event'])
    expect(await nextEvent()).toEqual(
      messageEvent('chat.message', ann, {
        text_content: 'Hello, World!',
        message_format: 'text',
      }),
    )
    const burst = Array.from({ length: 50 }, (_, i) => settle(annRoom.push('message', { message: `n${i}` })))
    expect(new Set((await Promise.all(burst)).map(({ status }) => status))).toEqual(new Set(['ok']))
    for (let i = 0; i < 50; i++) expect((await nextEvent()).text_content).toBe(`n${i}`)
  })

  it('post a text, a reply or a file once for each client_message_id', async () => {
    const { annRoom, bobRoom, roomId, app, ann } = await twoInARoom()
    const nextEvent = listen(bobRoom, 'chat.message')
    const said = { message: 'Hello', client_message_id: randomUUID() }
    const file = { media_format: 'image', client_message_id: randomUUID() }
    for (let i = 0; i < 2; i++) expect(await settle(annRoom.push('message', said))).toEqual(sent)
    const reply = {
      message: 'Me too',
      previous_message_id: (await nextEvent()).id,
      client_message_id: randomUUID(),
    }
    for (let i = 0; i < 2; i++) {
      expect(await settle(annRoom.push('reply', reply))).toEqual(sent)
      expect(await pushFile(annRoom, 'media', file, png())).toEqual(sent)
    }
    expect(await settle(annRoom.push('message', { message: 'The end' }))).toEqual(sent)
    expect((await nextEvent()).text_content).toBe('The end')
    const { items } = await app.services.rooms.history(roomId, ann.id)
    expect(items.map(({ text }) => text)).toEqual(['The end', null, 'Me too', 'Hello'])
    for (const client_message_id of ['x', 7, null]) {
      const { status, response } = await settle(annRoom.push('message', { message: 'x', client_message_id }))
      expect([status, response.reason]).toEqual(['error', 'invalid_payload'])
      const upload = await pushFile(annRoom, 'media', { client_message_id }, png())
      expect([upload.status, upload.response.reason]).toEqual(['error', 'invalid_payload'])
    }
  })

  it('post a reply', async () => {
    const { ann, bob, annRoom, bobRoom } = await twoInARoom()
    const [messages, replies] = [listen(bobRoom, 'chat.message'), listen(annRoom, 'chat.reply')]
    await settle(annRoom.push('message', { message: 'Hello' }))
    const { id } = await messages()
    const reply = { message: 'Hello back!', previous_message_id: id }
    expect(await settle(bobRoom.push('reply', reply))).toEqual(sent)
    expect(await replies()).toEqual(
      messageEvent('chat.reply', bob, {
        text_content: 'Hello back!',
        message_format: 'text',
        reply_format: 'text',
        ...replyFields({ id, sender: ann, content: 'Hello', type: 'text' }),
      }),
    )
    for (const previous_message_id of [nanoid(), '', 'x']) {
      const refused = await settle(annRoom.push('reply', { message: 'x', previous_message_id }))
      expect(refused).toEqual({ status: 'error', response: 'no_message' })
    }
  })

  it.each(Object.keys(phoenixVersions) as PhoenixVersion[])(
    'post files and file replies from phoenix.js %s',
    async (version) => {
      const { ann, roomId, bobRoom } = await twoInARoom()
      const channel = ann.connect({ version }).channel(`room:${roomId}`, {})
      await settle(channel.join())
      const [files, replies] = [listen(bobRoom, 'chat.media'), listen(bobRoom, 'chat.reply')]
      expect(await pushFile(channel, 'media', { media_format: 'image' }, png())).toEqual(sent)
      const file = await files()
      expect(file).toEqual(
        messageEvent('chat.media', ann, {
          media_format: 'image',
          message_format: 'media',
          filename: expect.stringMatching(/\.png$/),
          url: expect.stringMatching(/^http/),
        }),
      )
      const metadata = { message_type: 'reply', previous_message_id: file.id, media_format: 'audio' }
      expect(await pushFile(channel, 'reply', metadata, mp3())).toEqual(sent)
      expect(await replies()).toMatchObject({
        media_format: 'audio',
        message_format: 'media',
        is_reply: true,
        reply_format: 'media',
        previous_message_id: file.id,
        previous_message_content: 'IMAGE',
      })
    },
  )

  it('broadcast typing until the user stops, leaves, or a minute has passed', async () => {
    const { app, ann, annRoom, bobRoom } = await twoInARoom()
    const typing = listen(bobRoom, 'chat.typing')
    const typed = { type: 'chat.typing', username: ann.username, content: `${ann.username} is typing...` }
    const stopped = { ...typed, content: null }
    expect(await settle(annRoom.push('typing', { message: 'typing' }))).toEqual(sent)
    expect(await typing()).toEqual(typed)
    await settle(annRoom.push('typing', { message: 'not_typing' }))
    expect(await typing()).toEqual(stopped)
    await settle(annRoom.push('typing', { message: 'typing' }))
    await typing()
    app.clock.advance(61_000)
    expect(await typing()).toEqual(stopped)
    await settle(annRoom.push('typing', { message: 'typing' }))
    await typing()
    await settle(annRoom.leave())
    expect(await typing()).toEqual(stopped)
  })

  it.each<[string, unknown, object]>([
    ['message', {}, { message: ['is required'] }],
    ['message', { message: 7 }, { message: ['must be text'] }],
    ['message', { message: ' ' }, { message: ['must not be empty'] }],
    ['message', { message: 'nul \0' }, { message: ['has characters that cannot be stored'] }],
    ['message', { message: 'x'.repeat(65_537) }, { message: ['must have at most 65536 bytes'] }],
    ['message', [], { payload: ['must be an object'] }],
    ['reply', { message: 'x' }, { previous_message_id: ['is required'] }],
    ['reply', { message: 'x', previous_message_id: 7 }, { previous_message_id: ['must be text'] }],
    ['typing', { message: null }, { message: ['must be text'] }],
    ['media', { message: 'x' }, { payload: ['is not valid'] }],
    ['media', 'x', { payload: ['is not valid'] }],
  ])('reject %s with %j', async (event, payload, errors) => {
    const { annRoom } = await twoInARoom()
    const refused = await settle(annRoom.push(event, payload as object))
    expect(refused).toEqual({ status: 'error', response: { reason: 'invalid_payload', errors } })
  })

  it('reject invalid files and invalid file metadata', async () => {
    const { annRoom } = await twoInARoom()
    const html = Buffer.from('<!doctype html><script>alert(1)</script>')
    expect(await pushFile(annRoom, 'media', {}, html)).toEqual({ status: 'error', response: 'media_refused' })
    const outcome = async (event: string, metadata: unknown) =>
      (await pushFile(annRoom, event, metadata, png())).response
    expect(await outcome('media', [])).toMatchObject({ reason: 'invalid_payload' })
    expect(await outcome('reply', {})).toEqual({
      reason: 'invalid_payload',
      errors: { previous_message_id: ['must be text'] },
    })
    expect(await outcome('reply', { previous_message_id: 'x' })).toBe('no_message')
    const bytes = new Uint8Array([1, 2, 3]).buffer as unknown as object
    for (const event of ['media', 'reply', 'message', 'typing']) {
      expect((await settle(annRoom.push(event, bytes))).response).toMatchObject({ reason: 'invalid_payload' })
    }
  })

  it('accept a valid token and reject an invalid one', async () => {
    const { app, ann, bob, annRoom } = await twoInARoom()
    const say = async (token: unknown) =>
      (await settle(annRoom.push('message', { message: 'x', token }))).response
    expect(await say(ann.token)).toBe('message_sent')
    expect(await say('wrong')).toBe('invalid_token')
    expect(await say(bob.token)).toBe('invalid_token')
    for (let minute = 0; minute < 31; minute++) {
      app.clock.advance(60_000)
      await settle(annRoom.push('typing', { message: '' }))
    }
    expect(await say(ann.token)).toBe('invalid_token')
    expect(await say(undefined)).toBe('message_sent')
  })

  it('reject unknown event names', async () => {
    const { annRoom } = await twoInARoom()
    for (const event of ['chat.message', 'constructor', 'send_message']) {
      expect(await settle(annRoom.push(event, { message: 'x' }))).toEqual({
        status: 'error',
        response: { reason: 'unknown_event' },
      })
    }
  })
})

describe('a room over both kinds of socket', () => {
  it('sends the same events to both', async () => {
    const { app, roomId, ann, bob, annRoom } = await twoInARoom()
    const socket = await connectToRoom(app, bob, roomId)
    expect(await nextEvent(socket, 'chat.active')).toEqual({ type: 'chat.active', content: 2 })
    const events = ['chat.message', 'chat.reply', 'chat.media', 'chat.typing', 'chat.notification']
    const nextEvents = new Map(events.map((event) => [event, listen(annRoom, event)]))
    const both = async (type: string) => {
      const event = await nextEvent(socket, type)
      expect(await nextEvents.get(type)?.()).toEqual(event)
      return event
    }
    socket.send({ message_type: 'message', message: 'from the plain one' })
    const { id } = await both('chat.message')
    await settle(annRoom.push('reply', { message: 'from the other', previous_message_id: id }))
    await both('chat.reply')
    socket.sendRaw(fileFrame({ message_type: 'media' }, png()))
    await both('chat.media')
    await pushFile(annRoom, 'media', {}, mp3())
    await both('chat.media')
    socket.send({ message_type: 'typing', message: 'typing' })
    expect((await both('chat.typing')).username).toBe(bob.username)
    await settle(annRoom.push('typing', { message: 'typing' }))
    expect((await both('chat.typing')).username).toBe(ann.username)
    const eve = await signUpMember(app, 'eve')
    await app.services.rooms.addMembers(roomId, ann.id, [eve.id])
    await both('chat.notification')
  })

  it('counts a user on both once, and ends their typing when they have left both', async () => {
    const { app, roomId, ann, annRoom, bobRoom } = await twoInARoom()
    const counts: number[] = []
    bobRoom.on('chat.active', ({ content }: Json) => void counts.push(content))
    const typing = listen(bobRoom, 'chat.typing')
    const socket = await connectToRoom(app, ann, roomId)
    await nextEvent(socket, 'chat.active')
    await settle(annRoom.push('typing', { message: 'typing' }))
    await typing()
    await settle(annRoom.leave())
    await settle(bobRoom.push('typing', { message: '' }))
    expect((await typing()).username).not.toBe(ann.username)
    expect(counts).toEqual([])
    socket.close()
    expect(await typing()).toMatchObject({ username: ann.username, content: null })
    await settle(bobRoom.push('typing', { message: '' }))
    expect(counts).toEqual([1])
  })

  it('closes both for a removed member', async () => {
    const { app, roomId, ann, bob, annRoom, bobRoom } = await twoInARoom()
    const socket = await connectToRoom(app, bob, roomId)
    const notified = listen(bobRoom, 'chat.notification')
    const closed = new Promise<void>((resolve) => bobRoom.onClose(() => resolve()))
    const received: Json[] = []
    bobRoom.on('chat.message', (event: Json) => void received.push(event))
    await app.services.rooms.removeMember(roomId, ann.id, bob.id)
    expect((await settle(annRoom.push('message', { message: 'among us' }))).status).toBe('ok')
    expect((await notified()).content).toBe(`${bob.username} was removed from the chat.`)
    await closed
    expect(await socket.closed).toBe(1008)
    expect(received).toEqual([])
    const again = bob.connect().channel(`room:${roomId}`, {})
    expect((await settle(again.join())).response).toBe('not_member')
    expect(app.services.roomPresence.count(roomId)).toBe(1)
  })
})
