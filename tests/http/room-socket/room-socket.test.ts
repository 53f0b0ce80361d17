import { randomUUID } from 'node:crypto'
import { nanoid } from 'nanoid'
import { describe, expect, it } from 'vitest'
import { startApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { gif, mp3, png, voice } from '../../support/media.ts'
import {
  connectToRoom,
  eventsBeforeMarker,
  fileFrame,
  messageEvent,
  nextEvent,
  replyFields,
  signUpMember,
  startRoom,
} from '../../support/room-clients.ts'
import { onTestServer } from '../../support/uploads.ts'

async function twoInARoom(...settings: Parameters<typeof startApp>) {
  const app = await startApp(...settings)
  const { roomId, people } = await startRoom(app, 'ann', 'bob')
  const [ann, bob] = people
  const annSocket = await connectToRoom(app, ann, roomId)
  const bobSocket = await connectToRoom(app, bob, roomId)
  expect(await nextEvent(annSocket, 'chat.active')).toEqual({ type: 'chat.active', content: 1 })
  expect(await nextEvent(annSocket, 'chat.active')).toEqual({ type: 'chat.active', content: 2 })
  await nextEvent(bobSocket, 'chat.active')
  return { app, roomId, ann, bob, annSocket, bobSocket }
}

describe('a text', () => {
  it('is delivered to everyone in the room, including its sender, and stored', async () => {
    const { app, roomId, ann, annSocket, bobSocket } = await twoInARoom()
    annSocket.send({ message_type: 'message', message: 'Hello, World!' })
    const event = messageEvent('chat.message', ann, {
      text_content: 'Hello, World!',
      message_format: 'text',
    })
    const received = await nextEvent(bobSocket, 'chat.message')
    expect(received).toEqual(event)
    expect(await nextEvent(annSocket, 'chat.message')).toEqual(received)
    const { items } = await app.services.rooms.history(roomId, ann.id)
    expect(items).toMatchObject([{ id: received.id, text: 'Hello, World!' }])
  })

  it('is delivered once per client_message_id, like a reply and a file', async () => {
    const { app, ann, roomId, annSocket, bobSocket } = await twoInARoom()
    const said = { message_type: 'message', message: 'Hello', client_message_id: randomUUID() }
    annSocket.send(said)
    const { id } = await nextEvent(bobSocket, 'chat.message')
    const reply = {
      message_type: 'reply',
      message: 'Hi',
      previous_message_id: id,
      client_message_id: randomUUID(),
    }
    const file = fileFrame({ message_type: 'media', client_message_id: randomUUID() }, png())
    const again = await connectToRoom(app, ann, roomId)
    for (const socket of [annSocket, again]) {
      socket.send(said)
      socket.send(reply)
      socket.sendRaw(file)
      await eventsBeforeMarker(socket)
    }
    const types = (await eventsBeforeMarker(bobSocket)).map(({ type }) => type)
    // The two messages mark the ends of the two sockets.
    expect(types).toEqual(['chat.reply', 'chat.media', 'chat.message', 'chat.message'])
    annSocket.send({ ...said, client_message_id: 'x' })
    expect((await nextEvent(annSocket, 'chat.error')).content).toContain('client_message_id')
  })

  it('is delivered in the order of sending', async () => {
    const { annSocket, bobSocket } = await twoInARoom()
    for (let i = 0; i < 100; i++) annSocket.send({ message_type: 'message', message: `n${i}` })
    for (let i = 0; i < 100; i++)
      expect((await nextEvent(bobSocket, 'chat.message')).text_content).toBe(`n${i}`)
  })

  it('is answered in the order of sending, also when some are rejected', async () => {
    const { annSocket } = await twoInARoom()
    const sent = Array.from({ length: 30 }, (_, i) => {
      if (i % 5 === 2) return { message_type: 'message', message: ' ' }
      if (i % 5 === 3) return { message_type: 'reply', message: 'x', previous_message_id: nanoid() }
      if (i % 5 === 4) return { message_type: 'unknown' }
      return { message_type: 'message', message: `n${i}` }
    })
    await eventsBeforeMarker(annSocket)
    annSocket.send(...sent)
    const answers = (await eventsBeforeMarker(annSocket)).map(
      ({ type, text_content }) => text_content ?? type,
    )
    expect(answers).toEqual(sent.map((_, i) => (i % 5 < 2 ? `n${i}` : 'chat.error')))
  })
})

describe('a reply', () => {
  it('contains the previous message', async () => {
    const { ann, bob, annSocket, bobSocket } = await twoInARoom()
    annSocket.send({ message_type: 'message', message: 'Hello' })
    const { id } = await nextEvent(bobSocket, 'chat.message')
    bobSocket.send({ message_type: 'reply', message: 'Hello back!', previous_message_id: id })
    expect(await nextEvent(annSocket, 'chat.reply')).toEqual(
      messageEvent('chat.reply', bob, {
        text_content: 'Hello back!',
        message_format: 'text',
        reply_format: 'text',
        ...replyFields({ id, sender: ann, content: 'Hello', type: 'text' }),
      }),
    )
  })

  it('is rejected for a message of another room or an unknown one', async () => {
    const { app, ann, bob, annSocket, bobSocket } = await twoInARoom()
    const other = await app.services.rooms.create(ann.id, { name: 'Other', userIds: [bob.id] })
    const elsewhere = await app.services.rooms.post(other.id, ann.id, { text: 'elsewhere' })
    for (const previous_message_id of [elsewhere.id, nanoid(), '', 'x', '\0']) {
      annSocket.send({ message_type: 'reply', message: 'x', previous_message_id })
      annSocket.sendRaw(fileFrame({ message_type: 'reply', previous_message_id }, png()))
      for (let i = 0; i < 2; i++) {
        expect((await nextEvent(annSocket, 'chat.error')).content).toBe('This message does not exist.')
      }
    }
    expect(await eventsBeforeMarker(bobSocket)).toEqual([])
  })
})

describe('a file', () => {
  it('is stored and delivered with the detected format, not the declared one', async () => {
    const { app, ann, annSocket, bobSocket } = await twoInARoom()
    annSocket.sendRaw(
      fileFrame({ message_type: 'media', message_format: 'image', media_format: 'image' }, png()),
    )
    const event = await nextEvent(bobSocket, 'chat.media')
    expect(event).toEqual(
      messageEvent('chat.media', ann, {
        media_format: 'image',
        message_format: 'media',
        filename: expect.stringMatching(/^[\w-]{21}\.png$/),
        url: expect.stringMatching(/^http:\/\/localhost:\d+\/api\/v1\/chat\/media\//),
      }),
    )
    const file = await fetch(onTestServer(app, event.url))
    expect(file.headers.get('content-type')).toBe('image/png')
    expect(Buffer.from(await file.arrayBuffer()).equals(png())).toBe(true)
  })

  it('may be declared as audio or video when the container allows both', async () => {
    const { annSocket, bobSocket } = await twoInARoom()
    for (const media_format of ['audio', 'video']) {
      annSocket.sendRaw(fileFrame({ message_type: 'media', media_format }, voice()))
      expect(await nextEvent(bobSocket, 'chat.media')).toMatchObject({ media_format })
    }
  })

  it('may be a reply, and may be replied to', async () => {
    const { ann, bob, annSocket, bobSocket } = await twoInARoom()
    annSocket.sendRaw(fileFrame({ message_type: 'media', media_format: 'audio' }, mp3()))
    const { id } = await nextEvent(bobSocket, 'chat.media')
    const metadata = { message_type: 'reply', previous_message_id: id, media_format: 'image' }
    bobSocket.sendRaw(fileFrame(metadata, gif()))
    expect(await nextEvent(annSocket, 'chat.reply')).toEqual(
      messageEvent('chat.reply', bob, {
        media_format: 'image',
        message_format: 'media',
        filename: expect.stringMatching(/\.gif$/),
        url: expect.stringMatching(/^http/),
        reply_format: 'media',
        ...replyFields({ id, sender: ann, content: 'AUDIO', type: 'audio' }),
      }),
    )
  })

  it('keeps its order among the texts of its sender, regardless of its duration', async () => {
    const { annSocket, bobSocket } = await twoInARoom()
    const sound = Buffer.concat([mp3(), Buffer.alloc(3_000_000)])
    annSocket.send({ message_type: 'message', message: 'before' })
    annSocket.sendRaw(fileFrame({ message_type: 'media' }, sound))
    annSocket.send({ message_type: 'message', message: 'after' })
    await nextEvent(bobSocket, 'chat.message')
    const types = [await bobSocket.take(), await bobSocket.take()].map(
      (frame) => (frame as { type: string }).type,
    )
    expect(types).toEqual(['chat.media', 'chat.message'])
  })

  it('is rejected without closing the connection when its format is not supported', async () => {
    const { app, annSocket, bobSocket } = await twoInARoom({ MAX_MEDIA_BYTES: '50000' })
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    for (const bytes of [svg, Buffer.alloc(0), Buffer.alloc(1000), Buffer.from('<!doctype html><p>')]) {
      annSocket.sendRaw(fileFrame({ message_type: 'media', media_format: 'image' }, bytes))
      await nextEvent(annSocket, 'chat.error')
    }
    annSocket.sendRaw(fileFrame({ message_type: 'media' }, Buffer.concat([mp3(), Buffer.alloc(50_000)])))
    expect((await nextEvent(annSocket, 'chat.error')).content).toBe('A file may have at most 50000 bytes.')
    expect(await eventsBeforeMarker(bobSocket)).toEqual([])
    expect(await app.database.rows('select 1 from media', [])).toEqual([])
  })

  it('closes only its own connection when the frame exceeds the maximum size', async () => {
    const { annSocket, bobSocket } = await twoInARoom({ MAX_MEDIA_BYTES: '50000' })
    annSocket.sendRaw(Buffer.alloc(70_000))
    expect(await annSocket.closed).toBe(1009)
    expect(await eventsBeforeMarker(bobSocket)).toEqual([{ type: 'chat.active', content: 1 }])
  })
})

describe('typing', () => {
  it('is broadcast with the username on every start and stop', async () => {
    const { ann, annSocket, bobSocket } = await twoInARoom()
    for (const message of ['typing', 'typing', 'not_typing', '', 'typing']) {
      annSocket.send({ message_type: 'typing', message })
      expect(await nextEvent(bobSocket, 'chat.typing')).toEqual({
        type: 'chat.typing',
        username: ann.username,
        content: message === 'typing' ? `${ann.username} is typing...` : null,
      })
    }
  })

  it('stops after a minute, and with the connection', async () => {
    const { app, ann, annSocket, bobSocket } = await twoInARoom()
    annSocket.send({ message_type: 'typing', message: 'typing' })
    await nextEvent(bobSocket, 'chat.typing')
    app.clock.advance(61_000)
    const stopped = { type: 'chat.typing', username: ann.username, content: null }
    expect(await nextEvent(bobSocket, 'chat.typing')).toEqual(stopped)
    annSocket.send({ message_type: 'typing', message: 'typing' })
    await nextEvent(bobSocket, 'chat.typing')
    annSocket.close()
    expect(await nextEvent(bobSocket, 'chat.typing')).toEqual(stopped)
  })
})

describe('the number of connected members', () => {
  it('counts each user once, and is broadcast on every change', async () => {
    const { app, roomId, ann, bob, annSocket, bobSocket } = await twoInARoom()
    const second = await connectToRoom(app, ann, roomId)
    expect(await nextEvent(second, 'chat.active')).toEqual({ type: 'chat.active', content: 2 })
    second.close()
    await second.closed
    bobSocket.close()
    expect(await annSocket.take()).toEqual({ type: 'chat.active', content: 1 })
    await connectToRoom(app, bob, roomId)
    expect(await annSocket.take()).toEqual({ type: 'chat.active', content: 2 })
  })

  it('is counted per room', async () => {
    const { app, ann, annSocket } = await twoInARoom()
    const other = await app.services.rooms.create(ann.id, { name: 'Other', userIds: [] })
    const elsewhere = await connectToRoom(app, ann, other.id)
    expect(await nextEvent(elsewhere, 'chat.active')).toEqual({ type: 'chat.active', content: 1 })
    expect(await eventsBeforeMarker(annSocket)).toEqual([])
  })
})

describe('added and removed members', () => {
  it('are broadcast', async () => {
    const { app, roomId, ann, bob, annSocket } = await twoInARoom()
    const eve = await signUpMember(app, 'eve')
    const path = `/api/v1/chat/rooms/${roomId}/users/`
    await app.request('POST', path, { token: bob.token, body: { user_ids: [eve.shortId, bob.id] } })
    expect(await annSocket.take()).toEqual({
      type: 'chat.notification',
      content: `${eve.username} was added to the chat.`,
    })
    await app.request('DELETE', `${path}${eve.shortId}/`, { token: ann.token })
    expect(await annSocket.take()).toEqual({
      type: 'chat.notification',
      content: `${eve.username} was removed from the chat.`,
    })
  })

  it('receive nothing after their removal', async () => {
    const { app, roomId, ann, bob, annSocket, bobSocket } = await twoInARoom()
    const second = await connectToRoom(app, bob, roomId)
    await app.services.rooms.removeMember(roomId, ann.id, bob.id)
    annSocket.send({ message_type: 'message', message: 'among us' })
    expect(await bobSocket.closed).toBe(1008)
    expect(await second.closed).toBe(1008)
    for (const socket of [bobSocket, second]) {
      expect(socket.frames.filter((frame) => (frame as { type: string }).type === 'chat.message')).toEqual([])
    }
    expect(await nextEvent(annSocket, 'chat.active')).toEqual({ type: 'chat.active', content: 1 })
  })
})

describe('invalid frames', () => {
  it.each<[string, string | Uint8Array]>([
    ['no JSON', 'hello'],
    ['nothing', ''],
    ['JSON that is no object', '[1]'],
    ['null', 'null'],
    ['an object without a type', '{}'],
    ['an unknown type', '{"message_type":"shout","message":"x"}'],
    ['a type named like a property of every object', '{"message_type":"constructor","message":"x"}'],
    ['a type that is no text', '{"message_type":7,"message":"x"}'],
    ['a message without text', '{"message_type":"message"}'],
    ['a message of a number', '{"message_type":"message","message":7}'],
    ['an empty message', '{"message_type":"message","message":" "}'],
    ['a NUL', '{"message_type":"message","message":"\\u0000"}'],
    ['half a character', '{"message_type":"message","message":"\\ud83e"}'],
    ['a reply without text', '{"message_type":"reply","previous_message_id":"x"}'],
    ['a reply to nothing', '{"message_type":"reply","message":"x"}'],
    ['a reply to a number', '{"message_type":"reply","message":"x","previous_message_id":7}'],
    ['typing of nothing', '{"message_type":"typing"}'],
    ['media as text', '{"message_type":"media","message":"x"}'],
    ['bytes', Buffer.from([1, 2, 3])],
    ['no bytes', Buffer.alloc(0)],
    ['JSON without a delimiter', Buffer.from('{"message_type":"media"}')],
    ['only a delimiter', Buffer.from('<delimiter>')],
    ['a delimiter after no JSON', Buffer.from('hello<delimiter>x')],
    ['a delimiter after no object', Buffer.from('[]<delimiter>x')],
    ['a delimiter after no UTF-8', Buffer.concat([Buffer.from([0xff]), Buffer.from('<delimiter>x')])],
    [
      'a delimiter that comes too late',
      fileFrame({ message_type: 'media', note: 'x'.repeat(20_000) }, png()),
    ],
    ['a file of no type', fileFrame({}, png())],
    ['a file of another type', fileFrame({ message_type: 'message' }, png())],
    ['a file that responses nothing', fileFrame({ message_type: 'reply' }, png())],
    ['a file that responses a number', fileFrame({ message_type: 'reply', previous_message_id: 7 }, png())],
    ['a deep nest', `{"message_type":${'['.repeat(50_000)}${']'.repeat(50_000)}}`],
    ['a long text', JSON.stringify({ message_type: 'message', message: 'x'.repeat(300_000) })],
    [
      'a message that is too long to keep',
      JSON.stringify({ message_type: 'message', message: 'x'.repeat(70_000) }),
    ],
  ])('are answered with an error, without closing the connection: %s', async (_what, frame) => {
    const { annSocket, bobSocket } = await twoInARoom()
    annSocket.sendRaw(frame)
    expect(await nextEvent(annSocket, 'chat.error')).toEqual({
      type: 'chat.error',
      content: expect.stringMatching(/^.+\.$/),
    })
    annSocket.send({ message_type: 'message', message: 'still here' })
    expect(await bobSocket.take()).toMatchObject({ type: 'chat.message', text_content: 'still here' })
  })

  it('are rejected before parsing when larger than MAX_FRAME_BYTES', async () => {
    const { annSocket } = await twoInARoom({ MAX_FRAME_BYTES: '2000' })
    annSocket.send({ message_type: 'message', message: 'x'.repeat(2_000) })
    expect((await nextEvent(annSocket, 'chat.error')).content).toBe('The request is too large.')
  })

  it('are answered with a readable error message', async () => {
    const { annSocket } = await twoInARoom()
    annSocket.send({ message_type: 'reply', message: 7 })
    expect((await nextEvent(annSocket, 'chat.error')).content).toBe(
      'previous_message_id is required; message must be text.',
    )
  })
})

describe('a connection', () => {
  it('is closed when its session ends', async () => {
    const { app, ann, annSocket, bobSocket } = await twoInARoom()
    await app.request('POST', '/api/signout', { body: { token: ann.refreshToken } })
    app.clock.advance(500)
    expect(await annSocket.closed).toBe(1001)
    expect(await nextEvent(bobSocket, 'chat.active')).toEqual({ type: 'chat.active', content: 1 })
  })

  it('is closed after 75 s without any frame, including pongs', async () => {
    const { app, roomId, ann, annSocket, bobSocket } = await twoInARoom()
    const silent = await connectToRoom(app, ann, roomId, { autoPong: false })
    for (let i = 0; i < 3; i++) {
      await eventsBeforeMarker(bobSocket)
      app.clock.advance(25_000)
    }
    expect(await silent.closed).toBe(1001)
    for (let i = 0; i < 4; i++) {
      const mark = await eventsBeforeMarker(bobSocket)
      expect(mark).toEqual([])
      await nextEvent(annSocket, 'chat.message')
      app.clock.advance(25_000)
    }
    await eventsBeforeMarker(annSocket)
  })

  it('is closed with 1012 on shutdown, after all received messages are stored', async () => {
    const { app, annSocket, bobSocket } = await twoInARoom()
    for (let i = 0; i < 20; i++) annSocket.send({ message_type: 'message', message: `n${i}` })
    await nextEvent(bobSocket, 'chat.message')
    await app.endpoint.drain()
    expect(await Promise.all([annSocket.closed, bobSocket.closed])).toEqual([1012, 1012])
    const kept = await app.database.rows('select 1 from room_messages', [])
    const received = bobSocket.frames.filter((frame) => (frame as { type: string }).type === 'chat.message')
    expect(received).toHaveLength(kept.length - 1)
  })

  it('may send a burst of 300 frames and 60 a second, shared by all connections of the user', async () => {
    const { app, roomId, ann, annSocket } = await twoInARoom({ RATE_LIMITS: 'on' })
    const second = await connectToRoom(app, ann, roomId)
    const frames = (count: number) =>
      Array.from({ length: count }, () => ({ message_type: 'typing', message: 'typing' }))
    annSocket.send(...frames(200))
    for (let i = 0; i < 200; i++) await nextEvent(annSocket, 'chat.typing')
    second.send(...frames(101))
    expect((await nextEvent(second, 'chat.error')).content).toBe('Too many requests. Try again later.')
    app.clock.advance(1_000)
    annSocket.send(...frames(60))
    await eventually(() => {
      const typed = second.frames.filter((frame) => (frame as { type: string }).type === 'chat.typing')
      expect(typed).toHaveLength(360)
    })
    annSocket.send(...frames(1))
    await nextEvent(annSocket, 'chat.error')
  })
})
