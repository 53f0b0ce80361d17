import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { DomainEvents } from '../../../src/domain/shared/events.ts'
import { startApp, type TestApp } from '../../support/app.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/folder.ts'
import { gif, mp3, mp4, png, voice } from '../../support/media.ts'
import type { Json } from '../../support/phoenix.ts'
import {
  beginUpload,
  mediaFiles,
  onTestServer,
  post,
  startRoomWithAnn,
  upload,
} from '../../support/uploads.ts'

const MAX_BYTES = 50_000

/** Starts a server with a room of Ann, and records the `room_message` events. */
async function startUploadServer(env: Record<string, string> = {}) {
  const dataDir = temporaryFolder()
  const app = await startApp({ DATA_DIR: dataDir, MAX_MEDIA_BYTES: String(MAX_BYTES), ...env })
  const events: DomainEvents['room_message'][] = []
  app.services.events.on('room_message', (message) => void events.push(message))
  return { app, events, files: () => mediaFiles(dataDir), ...(await startRoomWithAnn(app)) }
}

type UploadServer = Awaited<ReturnType<typeof startUploadServer>>

async function expectNothingStored({ app, events, files }: UploadServer): Promise<void> {
  expect(events).toEqual([])
  expect(await app.database.rows('select id from media', [])).toEqual([])
  await eventually(() => expect(files()).toEqual([]))
}

async function download(app: TestApp, url: string): Promise<Buffer> {
  return Buffer.from(await (await fetch(onTestServer(app, url))).arrayBuffer())
}

const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

describe('an upload', () => {
  it('becomes a message with a URL to its file', async () => {
    const { app, target, roomId } = await startUploadServer()
    const { status, body } = await upload(app, target, ['file', png()])
    expect(status).toBe(201)
    expect(body).toMatchObject({ message_format: 'image', room: roomId, text_content: null, is_reply: false })
    expect(body.audio_content).toBeNull()
    expect(await download(app, body.image_content)).toEqual(png())
  })

  it('is in the history of the room, with a URL', async () => {
    const { app, ann, target, roomId } = await startUploadServer()
    const { body } = await upload(app, target, ['file', gif()])
    const headers = { authorization: `Bearer ${ann.token}`, accept: 'application/json' }
    const response = await fetch(`${app.url}/api/v1/chat/home/${roomId}/`, { headers })
    const page = (await response.json()) as Json
    expect(page.results).toMatchObject([{ id: body.id, message_format: 'image' }])
    expect(await download(app, page.results[0].image_content)).toEqual(gif())
  })

  it.each([
    [
      'before',
      [
        ['media_format', 'audio'],
        ['file', voice()],
      ],
    ],
    [
      'after',
      [
        ['file', voice()],
        ['media_format', 'audio'],
      ],
    ],
  ] as [string, [string, string | Buffer][]][])('accepts the format %s the file', async (_where, parts) => {
    const { app, target } = await startUploadServer()
    const { status, body } = await upload(app, target, ...parts)
    expect(status).toBe(201)
    expect(body).toMatchObject({ message_format: 'audio', video_content: null })
    const { headers } = await fetch(onTestServer(app, body.audio_content))
    expect(headers.get('content-type')).toBe('audio/webm')
  })

  it('may reply to a message', async () => {
    const { app, target } = await startUploadServer()
    const first = await upload(app, target, ['file', png()])
    const { status, body } = await upload(
      app,
      target,
      ['previous_message_id', first.body.id],
      ['file', mp4()],
    )
    expect(status).toBe(201)
    expect(body).toMatchObject({
      message_format: 'video',
      is_reply: true,
      previous_message_id: first.body.id,
      previous_message_content: 'IMAGE',
    })
  })

  it('gets the first response when it is repeated with the same client_message_id', async () => {
    const { app, ann, target, events, files, roomId } = await startUploadServer({
      MAX_MEDIA_PER_DAY: String(png().length),
    })
    const name: [string, string] = ['client_message_id', randomUUID()]
    const first = await upload(app, target, name, ['file', png()])
    expect(first.status).toBe(201)
    // Nothing more fits in the day, and this is no image: neither is asked.
    for (const file of [png(), Buffer.from('anything')]) {
      const { status, body } = await upload(app, target, name, ['file', file])
      expect({ status, body }).toEqual({ status: 201, body: first.body })
    }
    const asText = await app.services.rooms.post(roomId, ann.id, { text: 'x', clientMessageId: name[1] })
    expect(asText.id).toBe(first.body.id)
    expect(events).toHaveLength(1)
    await eventually(() => expect(files()).toHaveLength(1))
    const other = await upload(app, target, ['client_message_id', 'x'], ['file', png()])
    expect(other).toMatchObject({ status: 422, body: { errors: { client_message_id: ['must be a UUID'] } } })
  })

  it('stores one file for concurrent uploads with one client_message_id', async () => {
    const { app, target, events, files } = await startUploadServer()
    const name: [string, string] = ['client_message_id', randomUUID()]
    const uploads = Array.from({ length: 6 }, (_, n) =>
      n % 2 ? upload(app, target, name, ['file', png()]) : upload(app, target, ['file', png()], name),
    )
    const responses = await Promise.all(uploads)
    for (const { status, body } of responses) expect([status, body.id]).toEqual([201, responses[0]?.body.id])
    expect(events).toHaveLength(1)
    await eventually(() => expect(files()).toHaveLength(1))
  })

  it('accepts empty and unknown fields, and any file name', async () => {
    const { app, target } = await startUploadServer()
    const parts = ['media_format', 'previous_message_id'].map((name) => [name, ''] as [string, string])
    const { status } = await upload(app, target, ...parts, ['else', 'x'.repeat(900)], ['photo', png()])
    expect(status).toBe(201)
  })

  it('may arrive in many small chunks', async () => {
    const { app, ann, roomId, events } = await startUploadServer()
    const bytes = mp3()
    const { send, finish, answered } = await beginUpload(app, { roomId, token: ann.token })
    for (let i = 0; i < bytes.length; i += 100) send(bytes.subarray(i, i + 100))
    finish()
    expect(await answered).toMatch(/^HTTP\/1.1 201 /)
    expect(events).toMatchObject([{ media: { size: bytes.length } }])
  })

  it('is stored completely before its event is delivered', async () => {
    const { app, target, files } = await startUploadServer()
    const then: { inPlace: boolean; bytes: Promise<Buffer> }[] = []
    app.services.events.on('room_message', ({ media }) => {
      const inPlace = files().length === 1 && !files()[0]!.includes('incoming')
      then.push({ inPlace, bytes: download(app, app.services.media.url(media!.id)) })
    })
    const bytes = Buffer.concat([png(), Buffer.alloc(40_000, 7)])
    await upload(app, target, ['file', bytes])
    expect(then).toHaveLength(1)
    expect(then[0]!.inPlace).toBe(true)
    expect((await then[0]!.bytes).equals(bytes)).toBe(true)
  })

  it('is accepted at the maximum size', async () => {
    const { app, target } = await startUploadServer()
    const bytes = Buffer.concat([png(), Buffer.alloc(MAX_BYTES - png().length)])
    expect((await upload(app, target, ['file', bytes])).status).toBe(201)
  })
})

describe('a rejected upload gets an error and leaves no file', () => {
  it.each<[what: string, parts: [string, string | Buffer][], status: number, error: object]>([
    ['SVG', [['file', Buffer.from(SVG)]], 422, { code: 'media_refused' }],
    ['HTML', [['file', Buffer.from(`<!doctype html>${SVG}`.repeat(200))]], 422, { code: 'media_refused' }],
    ['a header alone', [['file', png().subarray(0, 20)]], 422, { code: 'media_refused' }],
    ['no bytes', [['file', Buffer.alloc(0)]], 422, { code: 'validation_failed' }],
    ['one byte too many', [['file', padded(MAX_BYTES + 1)]], 413, { code: 'media_too_large' }],
    ['far too many bytes', [['file', padded(1_000_000)]], 413, { code: 'media_too_large' }],
    [
      'audio declared as an image',
      [
        ['media_format', 'image'],
        ['file', mp3()],
      ],
      422,
      { code: 'media_mismatch' },
    ],
    [
      'the same, declared after the file',
      [
        ['file', mp3()],
        ['media_format', 'image'],
      ],
      422,
      { code: 'media_mismatch' },
    ],
    [
      'no format',
      [
        ['file', png()],
        ['media_format', 'svg'],
      ],
      422,
      { code: 'validation_failed' },
    ],
    [
      'a format of other type',
      [
        ['file', png()],
        ['media_format', Buffer.from('x')],
      ],
      422,
      { code: 'validation_failed' },
    ],
    ['no file', [['media_format', 'image']], 422, { code: 'validation_failed' }],
    [
      'two files',
      [
        ['file', png()],
        ['file', png()],
      ],
      422,
      { code: 'validation_failed' },
    ],
    [
      'a field that is too long',
      [
        ['file', png()],
        ['media_format', 'x'.repeat(2_000)],
      ],
      422,
      { code: 'validation_failed' },
    ],
    ['too many fields', [...Array(30).fill(['a', 'b']), ['file', png()]], 400, { code: 'malformed_upload' }],
    [
      'a reply to an unknown message',
      [
        ['file', png()],
        ['previous_message_id', 'x'.repeat(21)],
      ],
      404,
      { code: 'no_message' },
    ],
    [
      'a reply to an invalid id',
      [
        ['file', png()],
        ['previous_message_id', '\0'],
      ],
      404,
      { code: 'no_message' },
    ],
  ])('%s', async (_what, parts, status, error) => {
    const room = await startUploadServer()
    const response = await upload(room.app, room.target, ...parts)
    expect(response.body).toMatchObject({ error })
    expect(response.status).toBe(status)
    await expectNothingStored(room)
  })

  it.each([
    ['JSON', '{}', 'application/json', 415],
    ['nothing', '', '', 415],
    ['another form', 'a=b', 'application/x-www-form-urlencoded', 415],
    ['no boundary', 'x', 'multipart/form-data', 400],
    ['another boundary', '--a\r\n\r\n\r\n--a--', 'multipart/form-data; boundary=b', 400],
    [
      'no end',
      `--a\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n${'x'.repeat(9_000)}`,
      'multipart/form-data; boundary=a',
      400,
    ],
    ['no header', '--a\r\n\r\nx\r\n--a--', 'multipart/form-data; boundary=a', 422],
    [
      'a name of JavaScript',
      '--a\r\nContent-Disposition: form-data; name="__proto__"\r\n\r\nx\r\n--a--',
      'multipart/form-data; boundary=a',
      400,
    ],
    [
      'JSON in a field',
      '--a\r\nContent-Disposition: form-data; name="media_format"\r\nContent-Type: application/json\r\n\r\n["image"]\r\n--a--',
      'multipart/form-data; boundary=a',
      422,
    ],
  ])('a body of %s', async (_what, body, type, status) => {
    const room = await startUploadServer()
    const response = await post(room.app, room.target, body, { 'content-type': type })
    expect(response.body).toHaveProperty('error.code')
    expect(response.status).toBe(status)
    await expectNothingStored(room)
  })

  it('more than the daily quota', async () => {
    const room = await startUploadServer({ MAX_MEDIA_PER_DAY: '60000' })
    const { app, target } = room
    expect((await upload(app, target, ['file', padded(50_000)])).status).toBe(201)
    app.clock.advance(60_000)
    const { status, body, headers } = await upload(app, target, ['file', padded(10_001)])
    expect([status, body.error.code]).toEqual([429, 'media_quota_used'])
    expect(headers.get('retry-after')).toBe(String(24 * 60 * 60 - 60))
    expect(room.files()).toHaveLength(1)
    expect(room.events).toHaveLength(1)
  })
})

describe('an upload to a room of other users', () => {
  it('is rejected before its file is read', async () => {
    const room = await startUploadServer()
    const ben = await room.app.signUp('ben')
    const { send, answered } = await beginUpload(room.app, { roomId: room.roomId, token: ben.token }, 40_000)
    send(png())
    expect(await answered).toMatch(/^HTTP\/1.1 403 /)
    await expectNothingStored(room)
  })

  it('is rejected without authentication, and for an unknown room', async () => {
    const room = await startUploadServer()
    const { app, target } = room
    expect((await upload(app, { ...target, from: null }, ['file', png()])).status).toBe(401)
    for (const roomId of ['V1StGXR8_Z5jdHi6B-myT', 'x', '%00', '..%2f..', 'a'.repeat(3_000)])
      expect((await upload(app, { ...target, roomId }, ['file', png()])).status).toBe(404)
    await expectNothingStored(room)
  })

  it('is not stored when its sender is removed during the upload', async () => {
    const room = await startUploadServer()
    const { app, ann, roomId } = room
    const ben = await app.signUp('ben')
    const users = `/api/v1/chat/rooms/${roomId}/users/`
    await app.request('POST', users, { token: ann.token, body: { user_ids: [ben.id] } })
    const { send, finish, answered } = await beginUpload(app, { roomId, token: ben.token })
    send(padded(20_000))
    await eventually(() => expect(room.files()).toHaveLength(1))
    expect((await app.request('DELETE', `${users}${ben.id}/`, { token: ann.token })).status).toBe(204)
    finish()
    expect(await answered).toMatch(/^HTTP\/1.1 403 /)
    await expectNothingStored(room)
  })
})

describe('an upload in progress', () => {
  it('is rejected as soon as its first bytes are invalid', async () => {
    const room = await startUploadServer()
    const { send, answered } = await beginUpload(
      room.app,
      { roomId: room.roomId, token: room.ann.token },
      45_000,
    )
    send(Buffer.from(SVG.repeat(100)))
    expect(await answered).toMatch(/^HTTP\/1.1 422 /)
    await expectNothingStored(room)
  })

  it('is rejected as soon as it is too large', async () => {
    const room = await startUploadServer()
    const { send, answered } = await beginUpload(room.app, { roomId: room.roomId, token: room.ann.token })
    send(padded(MAX_BYTES))
    send(Buffer.alloc(1))
    expect(await answered).toMatch(/^HTTP\/1.1 413 /)
    await expectNothingStored(room)
  })

  it('is rejected before its first byte when its declared length is too large', async () => {
    const room = await startUploadServer()
    const { answered } = await beginUpload(
      room.app,
      { roomId: room.roomId, token: room.ann.token },
      10_000_000,
    )
    expect(await answered).toMatch(/^HTTP\/1.1 413 /)
    await expectNothingStored(room)
  })

  it('is aborted when it continues for too long after its rejection', async () => {
    const room = await startUploadServer()
    const { socket, send, answered } = await beginUpload(room.app, {
      roomId: room.roomId,
      token: room.ann.token,
    })
    send(Buffer.from(SVG.repeat(100)))
    await answered
    const closed = new Promise((resolve) => socket.on('close', resolve))
    const more = () => {
      if (socket.writable) send(Buffer.alloc(16_384))
    }
    socket.on('drain', more)
    for (let i = 0; i < 10; i++) more()
    await closed
  })

  it('leaves no file when its sender disconnects', async () => {
    const room = await startUploadServer()
    const { socket, send } = await beginUpload(room.app, { roomId: room.roomId, token: room.ann.token })
    send(padded(20_000))
    await eventually(() => expect(room.files()).toHaveLength(1))
    socket.destroy()
    await expectNothingStored(room)
  })

  it('is not visible to anyone', async () => {
    const room = await startUploadServer()
    const { app, ann, roomId, files } = room
    const { send, finish, answered } = await beginUpload(app, { roomId, token: ann.token })
    send(padded(20_000))
    await eventually(() => expect(files()).toHaveLength(1))
    const id = /incoming\/(.{21})\./.exec(files()[0]!)![1]!
    expect((await fetch(onTestServer(app, app.services.media.url(id)))).status).toBe(404)
    finish()
    expect(await answered).toMatch(/^HTTP\/1.1 201 /)
    expect((await fetch(onTestServer(app, app.services.media.url(id)))).status).toBe(200)
  })
})

/** A picture of so many bytes. */
function padded(bytes: number): Buffer {
  return Buffer.concat([png(), Buffer.alloc(bytes - png().length)])
}
