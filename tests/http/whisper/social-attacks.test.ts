import { describe, expect, it } from 'vitest'
import { Janitor } from '../../../src/domain/sessions/janitor.ts'
import { ProviderBrowser, startOpenIdServer } from '../../support/openid-provider.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import {
  BEGIN_PATH,
  beginSignIn,
  CALLBACK_PATH,
  CLIENT,
  callbackUrl,
  EMAIL,
  failure,
  followCallback,
  signIn,
  startApiWith,
  startWithFakeProvider,
  startWithProvider,
  users,
} from '../../support/social-sign-in.ts'
import { WhisperClient } from '../../support/whisper-client.ts'

const MINUTE_MS = 60_000

const db = setUpDatabase()

describe('the redirect from the provider', () => {
  /** A browser that stands before the door with a good code. */
  async function setUpReturn() {
    const { api, server, browser } = await startWithProvider(db)
    const url = await beginSignIn(browser)
    const participant = new ProviderBrowser()
    const callback = await participant.signIn(url.href, 'ann')
    return { api, server, browser, url, participant, callback }
  }

  it.each<[what: string, change: (back: URL) => void]>([
    ['no state', (callback) => callback.searchParams.delete('state')],
    ['an empty state', (callback) => callback.searchParams.set('state', '')],
    ['another state', (callback) => callback.searchParams.set('state', 'x'.repeat(43))],
    [
      'a state that is cut',
      (callback) => callback.searchParams.set('state', callback.searchParams.get('state')!.slice(0, -1)),
    ],
  ])('is rejected with %s, and stays valid otherwise', async (_what, change) => {
    const { browser, callback } = await setUpReturn()
    const wrong = new URL(callback)
    change(wrong)
    expect(failure(await followCallback(browser, wrong))).toEqual([400, 'sign_in_not_begun'])
    expect((await followCallback(browser, callback)).statusCode).toBe(201)
  })

  it('is rejected in a browser that did not begin the sign-in', async () => {
    const { api, callback } = await setUpReturn()
    expect(failure(await followCallback(new WhisperClient(api, EMAIL), callback))).toEqual([
      400,
      'sign_in_not_begun',
    ])
    const other = new WhisperClient(api, EMAIL)
    await beginSignIn(other)
    expect(failure(await followCallback(other, callback))).toEqual([400, 'sign_in_not_begun'])
    expect(await users(db)).toEqual([])
  })

  it('is rejected when the cookie was modified', async () => {
    const { browser, callback } = await setUpReturn()
    for (const [name, value] of browser.cookies) {
      const middle = Math.floor(value.length / 3)
      const other = value[middle] === 'A' ? 'B' : 'A'
      browser.cookies.set(name, value.slice(0, middle) + other + value.slice(middle + 1))
    }
    expect(failure(await followCallback(browser, callback))).toEqual([400, 'sign_in_not_begun'])
  })

  it('is accepted once', async () => {
    const { browser, callback } = await setUpReturn()
    expect((await followCallback(browser, callback)).statusCode).toBe(201)
    expect(failure(await followCallback(browser, callback))).toEqual([400, 'sign_in_not_begun'])
  })

  it('is accepted once, also with a kept cookie and another code', async () => {
    const { browser, callback, url, participant } = await setUpReturn()
    const kept = browser.copy()
    expect((await followCallback(browser, callback)).statusCode).toBe(201)
    const fresh = await participant.signIn(url.href, 'ann')
    expect(fresh.searchParams.get('code')).not.toBe(callback.searchParams.get('code'))
    expect(failure(await followCallback(kept, fresh))).toEqual([400, 'sign_in_not_begun'])
  })

  it('is accepted once, also from concurrent requests', async () => {
    const { browser, callback } = await setUpReturn()
    const responses = await Promise.all([
      followCallback(browser.copy(), callback),
      followCallback(browser.copy(), callback),
    ])
    expect(responses.map(({ statusCode }) => statusCode).sort()).toEqual([201, 400])
  })

  it('is valid for ten minutes', async () => {
    const { api, browser, callback } = await setUpReturn()
    api.clock.advance(10 * MINUTE_MS)
    expect(failure(await followCallback(browser, callback))).toEqual([400, 'sign_in_not_begun'])
    const url = await beginSignIn(browser)
    const again = await new ProviderBrowser().signIn(url.href, 'ann')
    api.clock.advance(10 * MINUTE_MS - 1)
    expect((await followCallback(browser, again)).statusCode).toBe(201)
  })

  it('is deleted from the database after it expires', async () => {
    const { api, browser, callback } = await setUpReturn()
    await followCallback(browser, callback)
    const janitor = new Janitor({ db, clock: api.clock, log: api.log.logger, endExpired: async () => 0 })
    const count = async () => (await db.rows('select 1 from spent_states', [])).length
    api.clock.advance(10 * MINUTE_MS - 1)
    await janitor.removeExpired()
    expect(await count()).toBe(1)
    api.clock.advance(1)
    await janitor.removeExpired()
    expect(await count()).toBe(0)
  })

  it("is rejected with the code of another browser's sign-in", async () => {
    const { api, callback } = await setUpReturn()
    const victim = new WhisperClient(api, EMAIL)
    const state = (await beginSignIn(victim)).searchParams.get('state')!
    const code = callback.searchParams.get('code')!
    expect(failure(await followCallback(victim, callbackUrl({ state, code })))).toEqual([
      400,
      'sign_in_refused',
    ])
    expect(await users(db)).toEqual([])
  })

  it('is rejected with the code of another client', async () => {
    const other = { clientId: 'other', clientSecret: 'other-secret', redirectUri: 'https://other.example/' }
    const server = await startOpenIdServer(CLIENT, other)
    server.accounts.set('ann', { email: 'ann@example.com', email_verified: true })
    const browser = new WhisperClient(await startApiWith(db, server), EMAIL)
    const url = await beginSignIn(browser)
    const state = url.searchParams.get('state')!
    url.searchParams.set('client_id', other.clientId)
    url.searchParams.set('redirect_uri', other.redirectUri)
    const code = (await new ProviderBrowser().signIn(url.href, 'ann')).searchParams.get('code')!
    expect(failure(await followCallback(browser, callbackUrl({ state, code })))).toEqual([
      400,
      'sign_in_refused',
    ])
  })

  it('is rejected with another issuer', async () => {
    const { browser, callback } = await setUpReturn()
    callback.searchParams.set('iss', 'https://accounts.example')
    expect(failure(await followCallback(browser, callback))).toEqual([400, 'sign_in_refused'])
  })

  it('is rejected without a code', async () => {
    const { browser, callback } = await setUpReturn()
    callback.searchParams.delete('code')
    expect(failure(await followCallback(browser, callback))).toEqual([400, 'sign_in_refused'])
  })

  it('is rejected with duplicate parameters', async () => {
    const { browser, callback } = await setUpReturn()
    for (const name of ['state', 'code', 'iss']) {
      const twice = new URL(callback)
      twice.searchParams.append(name, 'another')
      expect(failure(await followCallback(browser, twice)), name).toEqual([422, 'validation_failed'])
    }
    expect((await followCallback(browser, callback)).statusCode).toBe(201)
  })

  it('is not consumed by a HEAD request', async () => {
    const { browser, callback } = await setUpReturn()
    expect((await browser.send(`HEAD ${callback.pathname}${callback.search}`)).statusCode).toBe(404)
    expect((await followCallback(browser, callback)).statusCode).toBe(201)
  })

  it('ignores other parameters, and redirects nowhere else', async () => {
    const { browser, callback } = await setUpReturn()
    for (const name of ['next', 'redirect_uri', 'redirect', 'return_to'])
      callback.searchParams.set(name, 'https://evil.example/')
    const response = await followCallback(browser, callback)
    expect(response.statusCode).toBe(201)
    expect(response.headers).not.toHaveProperty('location')
    expect(response.body).not.toContain('evil')
  })
})

describe('an error of the provider', () => {
  it('is reported as cancelled when the user cancelled', async () => {
    const { browser } = await startWithProvider(db)
    const callback = await new ProviderBrowser().cancel((await beginSignIn(browser)).href)
    expect(callback.searchParams.get('error')).toBe('access_denied')
    expect(failure(await followCallback(browser, callback))).toEqual([403, 'sign_in_cancelled'])
    expect((await signIn(browser)).statusCode).toBe(201)
  })

  it.each(['server_error', 'invalid_scope', '', '<script>', 'temporarily_unavailable'])(
    'is rejected: %j',
    async (error) => {
      const { browser } = await startWithProvider(db)
      const state = (await beginSignIn(browser)).searchParams.get('state')!
      const response = await followCallback(
        browser,
        callbackUrl({ error, state, error_description: '<script>' }),
      )
      expect(failure(response)).toEqual([400, 'sign_in_refused'])
      expect(response.body).not.toContain('script')
    },
  )

  it('is rejected also with a code', async () => {
    const { browser } = await startWithProvider(db)
    const callback = await new ProviderBrowser().signIn((await beginSignIn(browser)).href, 'ann')
    callback.searchParams.set('error', 'server_error')
    expect(failure(await followCallback(browser, callback))).toEqual([400, 'sign_in_refused'])
  })

  it('is rejected in a browser that did not begin the sign-in', async () => {
    const { api } = await startWithProvider(db)
    const response = await followCallback(
      new WhisperClient(api, EMAIL),
      callbackUrl({ error: 'access_denied', state: 'x' }),
    )
    expect(failure(response)).toEqual([400, 'sign_in_not_begun'])
  })
})

describe('a faulty provider', () => {
  it('is accepted with valid claims', async () => {
    const { browser, callback } = await startWithFakeProvider(db)
    expect((await followCallback(browser, callback)).statusCode).toBe(201)
  })

  it.each([
    ['of another client', { aud: 'another' }],
    ['of another issuer', { iss: 'https://accounts.example' }],
    ['of another sign-in', { nonce: 'x'.repeat(43) }],
    ['that has expired', { exp: 1 }],
  ])('is rejected with an ID token %s', async (_what, claims) => {
    const { browser, callback, provider } = await startWithFakeProvider(db)
    Object.assign(provider.claims, claims)
    expect(failure(await followCallback(browser, callback))).toEqual([400, 'sign_in_refused'])
    expect(await users(db)).toEqual([])
  })

  it('counts as unavailable when its issuer differs', async () => {
    const { api, browser, callback, provider } = await startWithFakeProvider(db)
    provider.document.issuer = 'https://accounts.example'
    api.clock.advance(9 * MINUTE_MS)
    expect((await followCallback(browser, callback)).statusCode).toBe(201)
    api.clock.advance(60 * MINUTE_MS)
    expect(failure(await browser.send(`GET ${BEGIN_PATH}`))).toEqual([503, 'provider_unavailable'])
  })

  it('cannot be asked again with the same attempt after it failed', async () => {
    const { browser, callback, provider } = await startWithFakeProvider(db)
    provider.handlers.set('/token', (_, response) => response.writeHead(500).end())
    expect(failure(await followCallback(browser, callback))).toEqual([503, 'provider_unavailable'])
    provider.handlers.clear()
    expect(failure(await followCallback(browser, callback))).toEqual([400, 'sign_in_not_begun'])
  })
})

describe('the log', () => {
  it('contains no secrets', async () => {
    const { api, browser, server } = await startWithProvider(db)
    const url = await beginSignIn(browser)
    const callback = await new ProviderBrowser().signIn(url.href, 'ann')
    await followCallback(browser, callback)
    await followCallback(browser, callback)
    const victim = new WhisperClient(api, EMAIL)
    const state = (await beginSignIn(victim)).searchParams.get('state')!
    await followCallback(victim, callbackUrl({ state, code: callback.searchParams.get('code')! }))
    server.accounts.set('bob', { email: 'bob@example.com', email_verified: false })
    await signIn(browser, 'bob')
    const text = api.log.text()
    expect(text).toContain(CALLBACK_PATH.slice(0, -1))
    const secrets = [
      state,
      ...['state', 'nonce', 'code_challenge'].map((name) => url.searchParams.get(name)!),
    ]
    secrets.push(
      callback.searchParams.get('code')!,
      CLIENT.clientSecret,
      'ann@example.com',
      'bob@example.com',
      'eyJ',
    )
    for (const secret of secrets) expect(text).not.toContain(secret)
  })
})
