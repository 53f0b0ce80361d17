import { describe, expect, it } from 'vitest'
import { startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { WhisperClient } from '../../support/whisper-client.ts'

const db = setUpDatabase()

const PAGES = ['', '/sign-in', '/sign-up', '/mail', '/code', '/two-factor'].map((path) => `/whisper${path}`)
const SITE = 'http://localhost:4000'

/** Someone who is signed in with a browser. */
async function signedIn(api: TestApi, name: string): Promise<WhisperClient> {
  const client = new WhisperClient(api, `${name}@example.com`)
  await client.registerWithTotp()
  await client.signIn()
  return client
}

describe('a page', () => {
  it.each(PAGES)('%s loads only files of this server', async (path) => {
    const api = await startApi(db)
    const { statusCode, headers, body } = await api.send(`GET ${path}`)
    expect(statusCode).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
    })
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self';")
    expect(policy).toContain("connect-src 'self' ws://localhost:4000;")
    expect(body).not.toMatch(/<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:/)
    for (const [, file] of body.matchAll(/(?:src|href)="(\/whisper\/assets\/[^"]+)"/g)) {
      expect((await api.send(`GET ${file}`)).statusCode, file).toBe(200)
    }
  })

  it('allows images and sockets of PUBLIC_URL', async () => {
    const api = await startApi(db, { publicUrl: 'https://chat.example.com' })
    const { headers } = await api.send('GET /whisper')
    const policy = headers['content-security-policy']
    expect(policy).toContain("img-src 'self' blob: https://chat.example.com;")
    expect(policy).toContain("connect-src 'self' wss://chat.example.com;")
  })

  it('offers sign-in with Google only when it is configured', async () => {
    const without = await startApi(db)
    expect((await without.send('GET /whisper')).body).not.toContain('Google')
    const google = { clientId: 'id', clientSecret: 'secret', issuer: 'http://localhost:1' }
    const api = await startApi(db, { google })
    for (const path of ['/whisper', '/whisper/sign-up']) {
      const { body } = await api.send(`GET ${path}`)
      expect(body).toContain('href="/api/v1/user/social/begin/google-oauth2/"')
    }
  })

  it('keeps the page to return to, and escapes it', async () => {
    const api = await startApi(db)
    const { body } = await api.send(
      `GET /whisper?next=${encodeURIComponent('/a"><script>alert(1)</script>')}`,
    )
    expect(body).toContain('/whisper/sign-up?next=%2Fa%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E')
    expect(body).not.toContain('<script>alert')
  })
})

describe('/', () => {
  it.each(['GET', 'HEAD'])('redirects %s requests of browsers to the start page', async (method) => {
    const api = await startApi(db)
    const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
    const { statusCode, headers } = await api.send(`${method} /`, { headers: { accept } })
    expect([statusCode, headers.location]).toEqual([302, '/whisper'])
    expect(headers.vary).toMatch(/(^|, )Accept(,|$)/)
  })

  it.each(['*/*', 'application/json', undefined])('responds with 404 to Accept: %s', async (accept) => {
    const api = await startApi(db)
    const response = await api.send('GET /', { headers: accept === undefined ? {} : { accept } })
    expect(response.statusCode).toBe(404)
    expect(response.json()).toHaveProperty('error.code', 'not_found')
  })
})

it('serves /favicon.ico', async () => {
  const api = await startApi(db)
  const { statusCode, headers, rawPayload } = await api.send('GET /favicon.ico')
  expect(statusCode).toBe(200)
  expect(headers).toMatchObject({
    'content-type': 'image/x-icon',
    'cache-control': 'public, max-age=86400',
  })
  expect(rawPayload.subarray(0, 4)).toEqual(Buffer.from([0, 0, 1, 0]))
})

describe('a script or style', () => {
  it('is cached forever at the URL of its version', async () => {
    const api = await startApi(db)
    const path = await scriptOf(api, '/whisper')
    const { headers, rawPayload } = await api.send(`GET ${path}`)
    expect(headers['content-type']).toBe('text/javascript; charset=utf-8')
    expect(headers['cache-control']).toBe('public, max-age=31536000, immutable')
    expect(rawPayload.length).toBeGreaterThan(0)
    const known = await api.send(`GET ${path}`, { headers: { 'if-none-match': String(headers.etag) } })
    expect([known.statusCode, known.body]).toEqual([304, ''])
  })

  it('is not cached at the URL of another version', async () => {
    const api = await startApi(db)
    const path = (await scriptOf(api, '/whisper')).replace(/assets\/[^/]+/, 'assets/another')
    const { statusCode, headers } = await api.send(`GET ${path}`)
    expect([statusCode, headers['cache-control']]).toEqual([200, 'no-cache'])
  })

  it.each(['nothing.js', 'tsconfig.json', '..%2Fhtml.ts'])('does not exist: %s', async (name) => {
    const api = await startApi(db)
    expect((await api.send(`GET /whisper/assets/x/${name}`)).statusCode).toBe(404)
  })
})

describe('the rooms', () => {
  it('are listed as own and other rooms, with escaped names', async () => {
    const api = await startApi(db)
    const ann = await signedIn(api, 'ann')
    const bob = await signedIn(api, 'bob')
    await create(ann, "Ann's <b>own</b>")
    await create(bob, "Bob's own")
    const { body } = await ann.send('GET /whisper')
    const [own, others] = body.split('Other rooms')
    expect(own).toContain('Ann&#39;s &lt;b&gt;own&lt;/b&gt;')
    expect(own).not.toContain('Bob&#39;s own')
    expect(others).toContain('Bob&#39;s own')
  })

  it('show their members only to members', async () => {
    const api = await startApi(db)
    const ann = await signedIn(api, 'ann')
    const bob = await signedIn(api, 'bob')
    const id = await create(ann, 'Garden club')
    const path = `GET /whisper/rooms/${id}/people`
    expect((await ann.send(`${path}?search=BOB@example.com`)).body).toContain('data-add=')
    expect((await ann.send(`${path}?search=%25`)).body).toContain('No one else')
    expect((await ann.send(`${path}?search=%00`)).statusCode).toBe(200)

    const outside = await bob.send(path, { headers: { accept: 'text/html' } })
    expect(outside.statusCode).toBe(403)
    expect(outside.headers['content-type']).toContain('text/html')
    expect(outside.body).toContain('You are not a member of this room.')
    expect((await bob.send('GET /whisper/rooms/nothing/people')).statusCode).toBe(404)

    const signedOut = await api.send(path)
    expect(signedOut.statusCode).toBe(302)
    expect(signedOut.headers.location).toBe(
      `/whisper?next=${encodeURIComponent(`/whisper/rooms/${id}/people`)}`,
    )
  })
})

describe('the people of a room', () => {
  it('are shown without emails, and not found by a part of an email', async () => {
    const api = await startApi(db)
    const ann = await signedIn(api, 'ann')
    await signedIn(api, 'bob')
    const { user: eve } = await api.register('eve')
    const id = await create(ann, 'Garden club')
    await ann.send(`POST /api/v1/chat/rooms/${id}/users/`, { body: { user_ids: [eve.id] } })
    const path = `GET /whisper/rooms/${id}/people`
    const found = await ann.send(`${path}?search=bob@example.com`)
    expect(found.body).toContain('data-add=')
    expect(found.body.replace('value="bob@example.com"', '')).not.toMatch(/(ann|bob|eve)@/)
    for (const part of ['bob@', 'example', 'bob']) {
      expect((await ann.send(`${path}?search=${part}`)).body).toContain('No one else')
    }
  })

  it('are marked if their email is unverified', async () => {
    const api = await startApi(db)
    const ann = await signedIn(api, 'ann')
    await api.register('eve')
    const id = await create(ann, 'Garden club')
    const path = `GET /whisper/rooms/${id}/people`
    expect((await ann.send(path)).body).not.toContain('Email not confirmed')
    expect((await ann.send(`${path}?search=eve`)).body).toContain('Email not confirmed')
    await api.send('POST /auth/confirm', { body: { token: await api.tokenOfEmail('eve@example.com') } })
    expect((await ann.send(`${path}?search=eve`)).body).not.toContain('Email not confirmed')
  })
})

describe('a long list', () => {
  it('of rooms has a link to the next page', async () => {
    const api = await startApi(db)
    const ann = await signedIn(api, 'ann')
    const { user: eve } = await api.register('eve')
    await db.rows(
      `insert into rooms (id, name, creator_id, inserted_at)
      select lpad(n::text, 21, '0'), 'Room ' || n, $1, now() + n * interval '1 second' from generate_series(1, 150) n`,
      [eve.id],
    )
    const newest = (await ann.send('GET /whisper')).body
    expect(newest).toContain('>Room 51<')
    expect(newest).not.toContain('>Room 50<')
    const [, query] = /href="(\?before=[^"]+)"/.exec(newest)!
    const rest = (await ann.send(`GET /whisper${query}`)).body
    expect(rest).not.toContain('>Room 51<')
    expect(rest).toContain('>Room 50<')
    expect(rest).not.toContain('Older rooms')
    for (const odd of ['x', '%00', '']) {
      expect((await ann.send(`GET /whisper?before=${odd}&own_before=${odd}`)).statusCode).toBe(200)
    }
  })

  it('of people has a link to the next page', async () => {
    const api = await startApi(db)
    const ann = await signedIn(api, 'ann')
    const id = await create(ann, 'Garden club')
    await db.rows(
      `with people as (insert into users (id, short_id, email, username, display_name)
        select gen_random_uuid(), n::text, n || '@example.com', 'person ' || 1000 + n, 'x' from generate_series(1, 150) n returning id)
      insert into room_members (room_id, user_id) select $1, id from people`,
      [id],
    )
    const path = `GET /whisper/rooms/${id}/people`
    const first = (await ann.send(path)).body
    expect([first.includes('person 1100'), first.includes('person 1101')]).toEqual([true, false])
    const [, query] = /href="(\?after=[^"]+)"/.exec(first)!
    const rest = (await ann.send(path + query)).body
    expect([rest.includes('person 1100'), rest.includes('person 1150')]).toEqual([false, true])
    expect((await ann.send(`${path}?after=%00`)).statusCode).toBe(200)
  })
})

describe('signing out', () => {
  it('ends the session, and deletes the cookie', async () => {
    const api = await startApi(db)
    const ann = await signedIn(api, 'ann')
    const copy = ann.copy()
    const form = { 'content-type': 'application/x-www-form-urlencoded', origin: SITE }
    const { statusCode, headers } = await ann.send('POST /whisper/sign-out', { headers: form, body: '' })
    expect([statusCode, headers.location]).toEqual([303, '/whisper'])
    for (const browser of [ann, copy]) {
      expect((await browser.send('GET /whisper')).body).toContain('<h1>Sign in</h1>')
    }
  })

  it('is rejected from pages of other sites', async () => {
    const api = await startApi(db)
    const ann = await signedIn(api, 'ann')
    const headers = { origin: 'https://evil.example', 'content-type': 'application/x-www-form-urlencoded' }
    expect((await ann.send('POST /whisper/sign-out', { headers, body: '' })).statusCode).toBe(403)
    expect((await ann.send('GET /whisper')).body).toContain('<h1>Your rooms</h1>')
  })
})

describe('the key of an authenticator', () => {
  it('is returned only to the owner, until the app is confirmed', async () => {
    const api = await startApi(db)
    const ann = new WhisperClient(api, 'ann@example.com')
    const ask = () => ann.send('POST /whisper/two-factor/key', { body: {} })
    await ann.register()
    await ann.request('POST login/', { email: ann.email })
    expect((await ask()).statusCode).toBe(403)
    await ann.confirmEmail()
    expect((await ask()).statusCode).toBe(404)
    await ann.setUpTotp()
    expect((await ask()).statusCode).toBe(403)

    const bob = new WhisperClient(api, 'bob@example.com')
    await bob.register()
    await bob.confirmEmail()
    await bob.request('POST totp-device/create/')
    const response = await bob.send('POST /whisper/two-factor/key', { body: {} })
    expect(response.headers['cache-control']).toBe('no-store')
    expect(response.json().uri).toMatch(/^otpauth:\/\/totp\/Parley:bob%40example\.com\?/)
  })
})

async function scriptOf(api: TestApi, path: string): Promise<string> {
  const { body } = await api.send(`GET ${path}`)
  return /<script type="module" src="([^"]+)"/.exec(body)![1]!
}

async function create(client: WhisperClient, name: string): Promise<string> {
  const response = await client.send('POST /api/v1/chat/room-list/', { body: { room_name: name } })
  if (response.statusCode !== 201) throw new Error(response.body)
  return response.json().id
}
