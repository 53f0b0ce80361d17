import { describe, expect, it } from 'vitest'
import { PASSWORD, type SignedIn, startApi, startApiOn, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { WhisperClient, type WhisperTokens } from '../../support/whisper-client.ts'

const db = setUpDatabase()

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const EXPIRED = { error: { code: 'session_expired', message: 'Session expired. Kindly login again.' } }

async function signedIn(
  api: TestApi,
  name = 'ann',
): Promise<{ client: WhisperClient; tokens: WhisperTokens }> {
  const client = new WhisperClient(api, `${name}@example.com`)
  await client.registerWithTotp()
  return { client, tokens: await client.signIn() }
}

/** Sends a request that requires authentication, and whose body is invalid: `allowed` if that is its only error. */
async function requestWithCookie(
  client: WhisperClient,
  headers: Record<string, string> = {},
): Promise<unknown> {
  const response = await client.send('POST /api/v1/chat/room-list/', { body: {}, headers })
  return response.statusCode === 422 ? 'allowed' : [response.statusCode, response.json().error.code]
}

async function signedInWithoutApp(api: TestApi, name = 'ann') {
  const { client, tokens } = await signedIn(api, name)
  await client.request('DELETE totp-device/', { otp_token: client.nextCode() })
  return { client, tokens }
}

function isValid(api: TestApi, token: string): Promise<boolean> {
  return api.send('GET /api/sessions', { token }).then(({ statusCode }) => statusCode === 200)
}

describe('the cookie', () => {
  it.each([
    ['http://localhost:4000', false],
    ['https://chat.example', true],
  ])('at %s is restricted to this host and hidden from scripts', async (publicUrl, isSecure) => {
    const api = await startApi(db, { publicUrl })
    const response = await new WhisperClient(api, 'ann@example.com').login()
    const [cookie, ...others] = [response.headers['set-cookie']].flat()
    expect(others).toEqual([])
    expect(cookie).toMatch(
      /^(__Host-)?whisper_session=[^;]+; Max-Age=1209600; Path=\/; HttpOnly;( Secure;)? SameSite=Lax$/,
    )
    expect(cookie?.includes('Secure')).toBe(isSecure)
    expect(cookie?.startsWith('__Host-')).toBe(isSecure)
  })

  it('is migrated from the name of the previous version', async () => {
    const before = await startApi(db)
    const { client } = await signedIn(before)
    const value = client.cookies.get('whisper_session')!
    const api = await startApiOn(db, { publicUrl: 'https://chat.example' }, before.clock)
    const browser = new WhisperClient(api, client.email, [['whisper_session', value]])
    expect(await requestWithCookie(browser)).toBe('allowed')
    expect([...browser.cookies.keys()]).toEqual(['__Host-whisper_session'])
    expect(await requestWithCookie(browser)).toBe('allowed')
    // Another host of the domain can set the earlier cookie, and does not get past the one of today.
    browser.cookies.set('whisper_session', 'garbage')
    expect(await requestWithCookie(browser)).toBe('allowed')
  })

  it('is encrypted', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.login()
    const value = decodeURIComponent(client.cookies.get('whisper_session')!)
    const raw = value.split(';').map((part) => Buffer.from(part, 'base64').toString('latin1'))
    for (const text of [value, ...raw]) expect(text).not.toMatch(/ann|example|claimed/)
  })

  it('is ignored when it is modified, truncated, or of another server', async () => {
    const api = await startApi(db)
    const { client } = await signedInWithoutApp(api)
    const value = client.cookies.get('whisper_session')!
    const other = await startApi(db, { secretKeyBase: 'another secret for tests, not for anything else' })
    const elsewhere = new WhisperClient(other, 'ann@example.com')
    await elsewhere.login()
    const odd = [
      `${value[0] === 'A' ? 'B' : 'A'}${value.slice(1)}`,
      value.slice(0, 20),
      elsewhere.cookies.get('whisper_session')!,
      'x',
      '%3B',
      '%3B%3B',
      '%00',
      `${'A'.repeat(3_000)}%3B${'A'.repeat(32)}`,
    ]
    for (const cookie of odd) {
      const thief = new WhisperClient(api, 'ann@example.com', [['whisper_session', cookie]])
      expect(await requestWithCookie(thief), cookie.slice(0, 30)).toEqual([401, 'token_missing'])
    }
  })

  it('authenticates like an access token until its session ends', async () => {
    const api = await startApi(db)
    const { client, tokens } = await signedInWithoutApp(api)
    expect(await requestWithCookie(client)).toBe('allowed')
    api.clock.advance(31 * MINUTE)
    expect(await requestWithCookie(client)).toBe('allowed')
    await api.send('POST /api/signout', { body: { token: tokens.refresh } })
    expect(await requestWithCookie(client)).toEqual([401, 'session_expired'])
  })

  it('expires after two weeks', async () => {
    const api = await startApi(db)
    const { client } = await signedInWithoutApp(api)
    api.clock.jump(14 * DAY)
    expect(await requestWithCookie(client)).toEqual([401, 'session_expired'])
  })

  it('is rejected a minute after its refresh token was exchanged elsewhere', async () => {
    const api = await startApi(db)
    const { client } = await signedInWithoutApp(api)
    const old = client.copy()
    await client.request('POST refresh/')
    expect(await requestWithCookie(old)).toBe('allowed')
    api.clock.advance(60_001)
    expect(await requestWithCookie(old)).toEqual([401, 'session_expired'])
    expect(await requestWithCookie(client)).toBe('allowed')
  })

  it('is ignored if the request has a token, also an invalid one', async () => {
    const api = await startApi(db)
    const { client } = await signedInWithoutApp(api)
    for (const authorization of ['Bearer x', 'bearer', 'Bearer ']) {
      const [status] = (await requestWithCookie(client, { authorization })) as [number]
      expect(status, authorization).toBe(401)
    }
    expect(await requestWithCookie(client, { authorization: 'Basic eA==' })).toBe('allowed')
  })
})

describe('an unsafe request with only the cookie', () => {
  const HOME = 'https://chat.example'
  const ORIGINS: [what: string, headers: Record<string, string>, isAllowed: boolean][] = [
    ['the same origin by Sec-Fetch-Site', { 'sec-fetch-site': 'same-origin', origin: HOME }, true],
    ['the same origin', { origin: HOME }, true],
    ['the origin of the Host header', { origin: 'https://other.example', host: 'other.example' }, true],
    ['a client that is no browser', {}, true],
    ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, false],
    [
      'another host of the site',
      { 'sec-fetch-site': 'same-site', origin: 'https://evil.chat.example' },
      false,
    ],
    ['a typed URL', { 'sec-fetch-site': 'none' }, false],
    ['another origin', { origin: 'https://evil.example' }, false],
    ['another port', { origin: `${HOME}:8443` }, false],
    ['plain HTTP', { origin: 'http://chat.example', host: 'chat.example' }, false],
    ['a null origin', { origin: 'null' }, false],
    [
      'the same Origin, but cross-site by Sec-Fetch-Site',
      { 'sec-fetch-site': 'cross-site', origin: HOME },
      false,
    ],
  ]

  it.each(ORIGINS)('is checked by its origin: %s', async (_what, headers, isAllowed) => {
    const api = await startApi(db, { publicUrl: HOME })
    const { client } = await signedInWithoutApp(api)
    const outcome = isAllowed ? 'allowed' : [403, 'cross_origin']
    expect(await requestWithCookie(client, headers)).toEqual(outcome)

    const bob = new WhisperClient(api, 'bob@example.com')
    await bob.register()
    const { pathname } = new URL(await bob.confirmationLink())
    const statuses = async () => [
      (await bob.send(`POST ${pathname}`, { headers })).statusCode,
      (await bob.request('POST totp-device/create/', {}, { headers })).statusCode,
      (await bob.request('POST login/', { email: bob.email }, { headers })).statusCode,
      (await bob.request('POST totp/verify/', { otp_token: '000000' }, { headers })).statusCode,
      (await client.request('POST refresh/', {}, { headers })).statusCode,
    ]
    if (isAllowed) return expect(await statuses()).toEqual([200, 201, 302, 401, 200])
    expect(await statuses()).toEqual([403, 401, 403, 403, 403])
    // None of it has had an effect.
    expect(bob.cookies.size).toBe(0)
    expect((await bob.send(`POST ${pathname}`)).statusCode).toBe(200)
    expect((await bob.request('POST totp-device/create/', {}, { headers })).statusCode).toBe(403)
    expect((await client.request('POST refresh/')).statusCode).toBe(200)
  })

  it('must have a JSON or form body', async () => {
    const api = await startApi(db)
    const { client } = await signedInWithoutApp(api)
    const refresh = (type: string, body = '') =>
      client.send('POST /api/v1/user/refresh/', { headers: { 'content-type': type }, body })
    for (const type of ['text/plain', 'application/octet-stream', 'application/jsonx']) {
      expect((await refresh(type)).statusCode, type).toBe(403)
    }
    for (const type of ['application/json', 'application/x-www-form-urlencoded; charset=utf-8']) {
      expect((await refresh(type)).statusCode, type).toBe(200)
    }
  })

  it('is allowed from any origin with a token', async () => {
    const api = await startApi(db)
    const { client, tokens } = await signedInWithoutApp(api)
    const headers = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    expect(await requestWithCookie(client, { ...headers, authorization: `Bearer ${tokens.access}` })).toBe(
      'allowed',
    )
    const named = await api.send('POST /api/v1/user/refresh/', { headers, body: { refresh: tokens.refresh } })
    expect(named.statusCode).toBe(200)
    const begun = { body: { email: 'ann@example.com' }, headers }
    expect((await api.send('POST /api/v1/user/verify-email/begin/', begun)).statusCode).toBe(200)
  })
})

describe('a new sign-in to Whisper', () => {
  it("ends the user's previous Whisper session, and no other session", async () => {
    const api = await startApi(db)
    const { client, tokens: first } = await signedIn(api)
    const { tokens: bobs } = await signedIn(api, 'bob')
    const renewed = (await client.request('POST refresh/')).json()
    const second = await client.copy().signIn()
    for (const token of [first.access, renewed.access]) expect(await isValid(api, token)).toBe(false)
    for (const refresh of [first.refresh, renewed.refresh]) {
      const response = await api.send('POST /api/v1/user/refresh/', { body: { refresh } })
      expect(response.statusCode).toBe(401)
      expect(response.json()).toEqual(EXPIRED)
    }
    const byCookie = await client.request('POST refresh/')
    expect([byCookie.statusCode, byCookie.json()]).toEqual([401, EXPIRED])
    expect(client.cookies.has('whisper_session')).toBe(false)
    for (const token of [second.access, bobs.access]) expect(await isValid(api, token)).toBe(true)
  })

  it('does not end password sessions, and is not ended by them', async () => {
    const api = await startApi(db)
    const ann = await api.registerConfirmed('ann')
    const client = new WhisperClient(api, 'ann@example.com')
    await client.setUpTotp({ token: ann.auth_token })
    const whisper = await client.signIn(client.nextCode(), PASSWORD)
    expect(await isValid(api, ann.auth_token)).toBe(true)
    const body = {
      email: 'ann@example.com',
      password: PASSWORD,
      otp_token: client.nextCode(),
    }
    const other = (await api.send('POST /auth/login', { body })).json<SignedIn>()
    for (const token of [ann.auth_token, whisper.access, other.auth_token]) {
      expect(await isValid(api, token)).toBe(true)
    }
    await client.signIn(client.nextCode(), PASSWORD)
    for (const token of [ann.auth_token, other.auth_token]) expect(await isValid(api, token)).toBe(true)
    const { items } = (await api.send('GET /api/sessions', { token: ann.auth_token })).json()
    const kinds = items.map(({ kind }: { kind: string }) => kind)
    expect(kinds.sort()).toEqual(['password', 'password', 'whisper'])
  })

  it('leaves one of several concurrent sessions', async () => {
    const api = await startApi(db)
    const { client } = await signedIn(api)
    const codes = (await recoveryCodes(client)).slice(0, 4)
    const browsers = codes.map(() => client.copy())
    for (const browser of browsers) await browser.login()
    const responses = await Promise.all(browsers.map((browser, i) => browser.verifyCode(codes[i]!)))
    expect(responses.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200])
    const alive = await Promise.all(responses.map((response) => isValid(api, response.json().access)))
    expect(alive.filter(Boolean)).toHaveLength(1)
  })

  async function recoveryCodes(client: WhisperClient): Promise<string[]> {
    await client.request('DELETE totp-device/', { otp_token: client.nextCode() })
    return client.setUpTotp()
  }
})

describe('POST /api/v1/user/refresh/', () => {
  it('reads the token from the body, the bearer header or the cookie, in this order', async () => {
    const api = await startApi(db)
    const { client: ann, tokens: anns } = await signedIn(api, 'ann')
    const { tokens: bobs } = await signedIn(api, 'bob')
    const { tokens: eves } = await signedIn(api, 'eve')
    const named = await ann.request('POST refresh/', { refresh: eves.refresh }, { token: bobs.refresh })
    expect(named.json().email).toBe('eve@example.com')
    expect((await ann.request('POST refresh/', {}, { token: bobs.refresh })).json().email).toBe(
      'bob@example.com',
    )
    expect((await ann.request('POST refresh/', { refresh: null })).json()).toMatchObject({ id: anns.id })
    const bad = await ann.request('POST refresh/', { refresh: 'x' }, { token: bobs.refresh })
    expect([bad.statusCode, bad.json()]).toEqual([401, EXPIRED])
    expect((await ann.request('POST refresh/')).statusCode).toBe(200)
  })

  it('stores the newest token in the cookie', async () => {
    const api = await startApi(db)
    const { client, tokens } = await signedIn(api)
    const seen = [tokens.refresh]
    for (let i = 0; i < 3; i++) {
      seen.push((await client.request('POST refresh/')).json().refresh)
      api.clock.advance(MINUTE)
    }
    seen.push((await client.request('POST refresh/', { refresh: seen.at(-1) })).json().refresh)
    api.clock.advance(MINUTE)
    expect((await client.request('POST refresh/')).statusCode).toBe(200)
    expect(new Set(seen).size).toBe(5)
  })

  it('returns the same tokens to two concurrent tabs', async () => {
    const api = await startApi(db)
    const { client } = await signedIn(api)
    const responses = await Promise.all(
      [client.copy(), client.copy()].map((tab) => tab.request('POST refresh/')),
    )
    const [one, other] = responses.map((response) => response.json().refresh)
    expect(one).toBeDefined()
    expect(one).toBe(other)
  })

  it('ends the session when a token is reused after its reuse window', async () => {
    const api = await startApi(db)
    const { client, tokens } = await signedIn(api)
    await client.request('POST refresh/')
    api.clock.advance(60_001)
    const stolen = await api.send('POST /api/v1/user/refresh/', { body: { refresh: tokens.refresh } })
    expect([stolen.statusCode, stolen.json()]).toEqual([401, EXPIRED])
    expect((await client.request('POST refresh/')).json()).toEqual(EXPIRED)
  })

  it('rejects every invalid token and a missing one', async () => {
    const api = await startApi(db)
    const { tokens } = await signedIn(api)
    for (const refresh of ['', 'x', tokens.access, 'x'.repeat(10_000), '\0']) {
      const response = await api.send('POST /api/v1/user/refresh/', { body: { refresh } })
      expect([response.statusCode, response.json()], refresh.slice(0, 9)).toEqual([401, EXPIRED])
    }
    const access = await api.send('POST /api/v1/user/refresh/', { token: tokens.access })
    expect([access.statusCode, access.json()]).toEqual([401, EXPIRED])
    const none = await api.send('POST /api/v1/user/refresh/')
    expect([none.statusCode, none.json().error.code]).toEqual([401, 'token_missing'])
    expect((await api.send('POST /api/v1/user/refresh/', { body: { refresh: 5 } })).statusCode).toBe(422)
  })

  it('also refreshes password sessions', async () => {
    const api = await startApi(db)
    const { refresh_token: refresh } = await api.register('ann')
    const response = await api.send('POST /api/v1/user/refresh/', { body: { refresh } })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toMatchObject({
      email: 'ann@example.com',
      id: expect.stringMatching(/^[\w-]{21}$/),
    })
    const back = { token: response.json().refresh }
    expect((await api.send('POST /auth/refresh', { body: back })).statusCode).toBe(200)
  })

  it('is limited to 120 a minute per session, however the token is sent', async () => {
    const api = await startApi(db)
    const { client } = await signedIn(api)
    const statuses = []
    for (let i = 0; i < 40; i++) {
      const { refresh } = (await client.request('POST refresh/')).json()
      statuses.push((await client.request('POST refresh/', { refresh })).statusCode)
      statuses.push((await api.send('POST /auth/refresh', { body: { token: refresh } })).statusCode)
    }
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect((await client.request('POST refresh/')).statusCode).toBe(429)
  })
})
