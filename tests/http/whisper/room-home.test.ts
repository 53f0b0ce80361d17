import { nanoid } from 'nanoid'
import { describe, expect, it } from 'vitest'
import { startApi, type TestApi } from '../../support/api.ts'
import { temporaryFolder } from '../../support/folder.ts'
import { mp3, mp4, png } from '../../support/media.ts'
import { findPerson } from '../../support/rooms.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { WhisperClient } from '../../support/whisper-client.ts'

const db = setUpDatabase()

const JSON_ONLY = 'application/json'
/** What browsers send. */
const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8'

async function start() {
  const api = await startApi(db, { dataDir: temporaryFolder(), publicUrl: 'https://chat.example' })
  const [ann, bob] = await Promise.all([person(api, 'ann'), person(api, 'bob')])
  const room = await api.services.rooms.create(ann.id, { name: 'Chamber', userIds: [bob.id] })
  return { api, ann, bob, room }
}

async function person(api: TestApi, name: string) {
  const { user, auth_token: token } = await api.register(name)
  return { ...(await findPerson(db, user.id)), token }
}

function home(
  api: TestApi,
  roomId: string,
  { token, accept = JSON_ONLY, query = '' }: { token?: string; accept?: string; query?: string } = {},
) {
  return api.send(`GET /api/v1/chat/home/${roomId}/${query}`, { token, headers: { accept } })
}

describe('GET /api/v1/chat/home/:room_id/ as JSON', () => {
  it('returns a text and a reply to it', async () => {
    const { api, ann, bob, room } = await start()
    api.clock.advance(5 * 60_000)
    const first = await api.services.rooms.post(room.id, ann.id, { text: 'Hello, <World>!' })
    api.clock.advance(60_000)
    const reply = { text: 'Hello back!', previousMessageId: first.id }
    const { id } = await api.services.rooms.post(room.id, bob.id, reply)
    const response = await home(api, room.id, { token: bob.token })
    expect(response.statusCode).toBe(200)
    expect(response.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(response.headers['cache-control']).toBe('no-store')
    expect(response.headers.vary).toMatch(/(^|, )Accept(,|$)/)
    const nothing = { image_content: null, audio_content: null, video_content: null }
    const day = { room: room.id, date: 'Jan. 15, 2026' }
    expect(response.json()).toEqual({
      results: [
        {
          id,
          message_format: 'text',
          text_content: 'Hello back!',
          ...nothing,
          is_reply: true,
          previous_message_id: first.id,
          previous_message_content: 'Hello, <World>!',
          previous_message_type: 'text',
          previous_sender_username: ann.username,
          sender: bob.shortId,
          ...day,
          created: 'Jan. 15, 2026, 12:06 p.m.',
          time: '12:06 p.m.',
          username: bob.username,
        },
        {
          id: first.id,
          message_format: 'text',
          text_content: 'Hello, <World>!',
          ...nothing,
          is_reply: false,
          previous_message_id: null,
          previous_message_content: null,
          previous_message_type: null,
          previous_sender_username: null,
          sender: ann.shortId,
          ...day,
          created: 'Jan. 15, 2026, 12:05 p.m.',
          time: '12:05 p.m.',
          username: ann.username,
        },
      ],
      previous_messages: null,
    })
  })

  it('returns the URL of a file by format, and the format of a previous message', async () => {
    const { api, ann, room } = await start()
    let previousMessageId: string | undefined
    for (const bytes of [png(), mp3(), mp4(), png()]) {
      const media = await api.services.media.receive([bytes], { roomId: room.id, ownerId: ann.id })
      previousMessageId = (await api.services.rooms.post(room.id, ann.id, { media, previousMessageId })).id
    }
    const { results } = (await home(api, room.id, { token: ann.token })).json()
    const replies = results
      .toReversed()
      .map((message: Record<string, unknown>) => [
        message.message_format,
        ['text', 'image', 'audio', 'video'].filter((format) => message[`${format}_content`] !== null),
        message.previous_message_content,
        message.previous_message_type,
      ])
    expect(replies).toEqual([
      ['image', ['image'], null, null],
      ['audio', ['audio'], 'IMAGE', 'image'],
      ['video', ['video'], 'AUDIO', 'audio'],
      ['image', ['image'], 'VIDEO', 'video'],
    ])
    const url = new URL(results[0].image_content)
    expect(url.origin).toBe('https://chat.example')
    const file = await api.send(`GET ${url.pathname}${url.search}`)
    expect(file.rawPayload.equals(png())).toBe(true)
  })

  it('links each page to the next, with URLs of this server', async () => {
    const { api, ann, room } = await start()
    for (let i = 1; i <= 25; i++) await api.services.rooms.post(room.id, ann.id, { text: `n${i}` })
    const texts: string[] = []
    let query = ''
    for (let pages = 0; pages < 3; pages++) {
      const { results, previous_messages } = (await home(api, room.id, { token: ann.token, query })).json()
      texts.push(...results.map(({ text_content }: { text_content: string }) => text_content))
      if (pages === 2) expect(previous_messages).toBeNull()
      else expect(previous_messages).toMatch(`https://chat.example/api/v1/chat/home/${room.id}/?cursor=`)
      query = previous_messages && new URL(previous_messages).search
    }
    expect(texts).toEqual(Array.from({ length: 25 }, (_, i) => `n${25 - i}`))
  })

  it.each([['application/json'], ['text/html, application/json;q=0.5'], ['Application/JSON; charset=utf-8']])(
    'is returned for Accept: %s',
    async (accept) => {
      const { api, ann, room } = await start()
      const response = await home(api, room.id, { token: ann.token, accept })
      expect(response.headers['content-type']).toMatch('application/json')
    },
  )
})

describe('GET /api/v1/chat/home/:room_id/ as a page', () => {
  it.each([[BROWSER], ['*/*'], ['application/*'], ['text/html'], ['application/json;q=0'], [undefined]])(
    'is returned for Accept: %s',
    async (accept) => {
      const { api, ann, room } = await start()
      await api.services.rooms.post(room.id, ann.id, { text: 'Hello, <World>!' })
      const response = await api.send(`GET /api/v1/chat/home/${room.id}`, {
        token: ann.token,
        headers: accept === undefined ? {} : { accept },
      })
      expect(response.statusCode).toBe(200)
      expect(response.headers['content-type']).toBe('text/html; charset=utf-8')
      expect(response.headers['cache-control']).toBe('no-store')
      expect(response.headers.vary).toMatch(/(^|, )Accept(,|$)/)
      expect(response.body).toContain('Hello, &lt;World&gt;!')
    },
  )

  it('accepts the session cookie', async () => {
    const { api, room, ann } = await start()
    const client = new WhisperClient(api, 'eve@example.com')
    await client.registerWithTotp()
    const { id } = await client.signIn()
    await api.services.rooms.addMembers(room.id, ann.id, [id])
    for (const accept of [BROWSER, JSON_ONLY]) {
      const response = await client.send(`GET /api/v1/chat/home/${room.id}/`, { headers: { accept } })
      expect(response.statusCode).toBe(200)
    }
  })

  it('redirects an unauthenticated browser to the sign-in page, which returns to it', async () => {
    const { api, room } = await start()
    for (const token of [undefined, 'wrong']) {
      const response = await home(api, room.id, { ...(token && { token }), accept: BROWSER })
      expect(response.statusCode).toBe(302)
      const back = encodeURIComponent(`/api/v1/chat/home/${room.id}/`)
      expect(response.headers.location).toBe(`/whisper?next=${back}`)
      expect(response.headers.vary).toMatch(/(^|, )Accept(,|$)/)
    }
  })
})

describe('an error of GET /api/v1/chat/home/:room_id/', () => {
  it.each([[JSON_ONLY], ['*/*'], [undefined]])(
    'is a 401 without a session, for Accept: %s',
    async (accept) => {
      const { api, room } = await start()
      const headers = accept === undefined ? {} : { accept }
      const response = await api.send(`GET /api/v1/chat/home/${room.id}/`, { headers })
      expect([response.statusCode, response.json().error.code]).toEqual([401, 'token_missing'])
    },
  )

  it.each([[JSON_ONLY], ['*/*']])('is JSON for Accept: %s', async (accept) => {
    const { api, room, ann } = await start()
    const eve = await person(api, 'eve')
    const outcome = async (roomId: string, token: string, query = '') => {
      const response = await home(api, roomId, { token, accept, query })
      return [response.statusCode, response.json().error.code]
    }
    expect(await outcome(room.id, eve.token)).toEqual([403, 'not_member'])
    expect(await outcome(nanoid(), ann.token)).toEqual([404, 'no_room'])
    expect(await outcome('%00', ann.token)).toEqual([404, 'no_room'])
    expect(await outcome(room.id, ann.token, '?cursor=x')).toEqual([400, 'invalid_page_token'])
    expect(await outcome(room.id, ann.token, '?cursor=%00')).toEqual([422, 'validation_failed'])
    expect(await outcome(room.id, ann.token, '?cursor=x&cursor=y')).toEqual([422, 'validation_failed'])
  })

  it('is an HTML page for a browser', async () => {
    const { api, room, ann } = await start()
    const eve = await person(api, 'eve')
    for (const [id, token, status, message] of [
      [room.id, eve.token, 403, 'You are not a member of this room.'],
      [nanoid(), ann.token, 404, 'This room does not exist.'],
    ] as const) {
      const { statusCode, headers, body } = await home(api, id, { token, accept: BROWSER })
      expect(statusCode).toBe(status)
      expect(headers['content-type']).toBe('text/html; charset=utf-8')
      expect(body).toContain(message)
      expect(body).toContain('href="/whisper"')
    }
  })

  it('is returned to a removed member', async () => {
    const { api, room, ann, bob } = await start()
    await api.services.rooms.removeMember(room.id, ann.id, bob.id)
    expect((await home(api, room.id, { token: bob.token })).statusCode).toBe(403)
  })
})
