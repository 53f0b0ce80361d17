import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { Janitor } from '../../../src/domain/sessions/janitor.ts'
import { openTestDatabase } from '../../support/database.ts'
import { ProviderVisitor, startOpenIdServer } from '../../support/oidc.ts'
import { Phone } from '../../support/phone.ts'
import {
  BEGIN,
  backWith,
  begin,
  CLIENT,
  COMPLETE,
  comeBack,
  EMAIL,
  failure,
  setUp,
  setUpLiar,
  signIn,
  startWith,
  users,
} from '../../support/social.ts'

const MINUTE_MS = 60_000

let db: Database
beforeAll(async () => {
  db = await openTestDatabase()
})
afterAll(() => db.close())

describe('what the browser brings back', () => {
  /** A browser that stands before the door with a good code. */
  async function setUpReturn() {
    const { api, server, browser } = await setUp(db)
    const url = await begin(browser)
    const participant = new ProviderVisitor()
    const back = await participant.signIn(url.href, 'ann')
    return { api, server, browser, url, participant, back }
  }

  it.each<[what: string, change: (back: URL) => void]>([
    ['no state', (back) => back.searchParams.delete('state')],
    ['an empty state', (back) => back.searchParams.set('state', '')],
    ['another state', (back) => back.searchParams.set('state', 'x'.repeat(43))],
    [
      'a state that is cut',
      (back) => back.searchParams.set('state', back.searchParams.get('state')!.slice(0, -1)),
    ],
  ])('is refused with %s, and still good without the mistake', async (_what, change) => {
    const { browser, back } = await setUpReturn()
    const wrong = new URL(back)
    change(wrong)
    expect(failure(await comeBack(browser, wrong))).toEqual([400, 'sign_in_not_begun'])
    expect((await comeBack(browser, back)).statusCode).toBe(201)
  })

  it('is refused in a browser that did not begin', async () => {
    const { api, back } = await setUpReturn()
    expect(failure(await comeBack(new Phone(api, EMAIL), back))).toEqual([400, 'sign_in_not_begun'])
    const other = new Phone(api, EMAIL)
    await begin(other)
    expect(failure(await comeBack(other, back))).toEqual([400, 'sign_in_not_begun'])
    expect(await users(db)).toEqual([])
  })

  it('is refused when the cookie was changed', async () => {
    const { browser, back } = await setUpReturn()
    for (const [name, value] of browser.cookies) {
      const middle = Math.floor(value.length / 3)
      const other = value[middle] === 'A' ? 'B' : 'A'
      browser.cookies.set(name, value.slice(0, middle) + other + value.slice(middle + 1))
    }
    expect(failure(await comeBack(browser, back))).toEqual([400, 'sign_in_not_begun'])
  })

  it('is good once', async () => {
    const { browser, back } = await setUpReturn()
    expect((await comeBack(browser, back)).statusCode).toBe(201)
    expect(failure(await comeBack(browser, back))).toEqual([400, 'sign_in_not_begun'])
  })

  it('is good once, even for a browser that kept its cookie and got another code', async () => {
    const { browser, back, url, participant } = await setUpReturn()
    const kept = browser.copy()
    expect((await comeBack(browser, back)).statusCode).toBe(201)
    const fresh = await participant.signIn(url.href, 'ann')
    expect(fresh.searchParams.get('code')).not.toBe(back.searchParams.get('code'))
    expect(failure(await comeBack(kept, fresh))).toEqual([400, 'sign_in_not_begun'])
  })

  it('is good once when it comes twice at once', async () => {
    const { browser, back } = await setUpReturn()
    const responses = await Promise.all([comeBack(browser.copy(), back), comeBack(browser.copy(), back)])
    expect(responses.map(({ statusCode }) => statusCode).sort()).toEqual([201, 400])
  })

  it('is good for ten minutes', async () => {
    const { api, browser, back } = await setUpReturn()
    api.clock.advance(10 * MINUTE_MS)
    expect(failure(await comeBack(browser, back))).toEqual([400, 'sign_in_not_begun'])
    const url = await begin(browser)
    const again = await new ProviderVisitor().signIn(url.href, 'ann')
    api.clock.advance(10 * MINUTE_MS - 1)
    expect((await comeBack(browser, again)).statusCode).toBe(201)
  })

  it('is forgotten by the database when it is too old to be good', async () => {
    const { api, browser, back } = await setUpReturn()
    await comeBack(browser, back)
    const janitor = new Janitor({ db, clock: api.clock, log: api.log.logger, endExpired: async () => 0 })
    const count = async () => (await db.rows('select 1 from spent_states', [])).length
    api.clock.advance(10 * MINUTE_MS - 1)
    await janitor.removeExpired()
    expect(await count()).toBe(1)
    api.clock.advance(1)
    await janitor.removeExpired()
    expect(await count()).toBe(0)
  })

  it("is refused with the code of another browser's sign-in", async () => {
    const { api, back } = await setUpReturn()
    const victim = new Phone(api, EMAIL)
    const state = (await begin(victim)).searchParams.get('state')!
    const code = back.searchParams.get('code')!
    expect(failure(await comeBack(victim, backWith({ state, code })))).toEqual([400, 'sign_in_refused'])
    expect(await users(db)).toEqual([])
  })

  it('is refused with the code of another client', async () => {
    const other = { clientId: 'other', clientSecret: 'other-secret', redirectUri: 'https://other.example/' }
    const server = await startOpenIdServer(CLIENT, other)
    server.accounts.set('ann', { email: 'ann@example.com', email_verified: true })
    const browser = new Phone(await startWith(db, server), EMAIL)
    const url = await begin(browser)
    const state = url.searchParams.get('state')!
    url.searchParams.set('client_id', other.clientId)
    url.searchParams.set('redirect_uri', other.redirectUri)
    const code = (await new ProviderVisitor().signIn(url.href, 'ann')).searchParams.get('code')!
    expect(failure(await comeBack(browser, backWith({ state, code })))).toEqual([400, 'sign_in_refused'])
  })

  it('is refused when it says that it comes from another issuer', async () => {
    const { browser, back } = await setUpReturn()
    back.searchParams.set('iss', 'https://accounts.example')
    expect(failure(await comeBack(browser, back))).toEqual([400, 'sign_in_refused'])
  })

  it('is refused without a code', async () => {
    const { browser, back } = await setUpReturn()
    back.searchParams.delete('code')
    expect(failure(await comeBack(browser, back))).toEqual([400, 'sign_in_refused'])
  })

  it('is refused when it says anything twice', async () => {
    const { browser, back } = await setUpReturn()
    for (const name of ['state', 'code', 'iss']) {
      const twice = new URL(back)
      twice.searchParams.append(name, 'another')
      expect(failure(await comeBack(browser, twice)), name).toEqual([422, 'validation_failed'])
    }
    expect((await comeBack(browser, back)).statusCode).toBe(201)
  })

  it('is not used up by who only looks', async () => {
    const { browser, back } = await setUpReturn()
    expect((await browser.send(`HEAD ${back.pathname}${back.search}`)).statusCode).toBe(404)
    expect((await comeBack(browser, back)).statusCode).toBe(201)
  })

  it('leads nowhere else, whatever else it says', async () => {
    const { browser, back } = await setUpReturn()
    for (const name of ['next', 'redirect_uri', 'redirect', 'return_to'])
      back.searchParams.set(name, 'https://evil.example/')
    const response = await comeBack(browser, back)
    expect(response.statusCode).toBe(201)
    expect(response.headers).not.toHaveProperty('location')
    expect(response.body).not.toContain('evil')
  })
})

describe('a provider that says no', () => {
  it('because the user turned back', async () => {
    const { browser } = await setUp(db)
    const back = await new ProviderVisitor().cancel((await begin(browser)).href)
    expect(back.searchParams.get('error')).toBe('access_denied')
    expect(failure(await comeBack(browser, back))).toEqual([403, 'sign_in_cancelled'])
    expect((await signIn(browser)).statusCode).toBe(201)
  })

  it.each(['server_error', 'invalid_scope', '', '<script>', 'temporarily_unavailable'])(
    'with the error %j',
    async (error) => {
      const { browser } = await setUp(db)
      const state = (await begin(browser)).searchParams.get('state')!
      const response = await comeBack(browser, backWith({ error, state, error_description: '<script>' }))
      expect(failure(response)).toEqual([400, 'sign_in_refused'])
      expect(response.body).not.toContain('script')
    },
  )

  it('and gives a code besides', async () => {
    const { browser } = await setUp(db)
    const back = await new ProviderVisitor().signIn((await begin(browser)).href, 'ann')
    back.searchParams.set('error', 'server_error')
    expect(failure(await comeBack(browser, back))).toEqual([400, 'sign_in_refused'])
  })

  it('is not believed in a browser that did not begin', async () => {
    const { api } = await setUp(db)
    const response = await comeBack(new Phone(api, EMAIL), backWith({ error: 'access_denied', state: 'x' }))
    expect(failure(response)).toEqual([400, 'sign_in_not_begun'])
  })
})

describe('a provider that lies', () => {
  it('is believed when it does not', async () => {
    const { browser, back } = await setUpLiar(db)
    expect((await comeBack(browser, back)).statusCode).toBe(201)
  })

  it.each([
    ['of another client', { aud: 'another' }],
    ['of another issuer', { iss: 'https://accounts.example' }],
    ['of another sign-in', { nonce: 'x'.repeat(43) }],
    ['that has expired', { exp: 1 }],
  ])('with a proof %s is refused', async (_what, claims) => {
    const { browser, back, double } = await setUpLiar(db)
    Object.assign(double.claims, claims)
    expect(failure(await comeBack(browser, back))).toEqual([400, 'sign_in_refused'])
    expect(await users(db)).toEqual([])
  })

  it('about who it is, is unavailable', async () => {
    const { api, browser, back, double } = await setUpLiar(db)
    double.document.issuer = 'https://accounts.example'
    api.clock.advance(9 * MINUTE_MS)
    expect((await comeBack(browser, back)).statusCode).toBe(201)
    api.clock.advance(60 * MINUTE_MS)
    expect(failure(await browser.send(`GET ${BEGIN}`))).toEqual([503, 'provider_unavailable'])
  })

  it('to one browser after the other cannot be made to by one of them', async () => {
    const { browser, back, double } = await setUpLiar(db)
    double.answers.set('/token', (_, response) => response.writeHead(500).end())
    expect(failure(await comeBack(browser, back))).toEqual([503, 'provider_unavailable'])
    double.answers.clear()
    expect(failure(await comeBack(browser, back))).toEqual([400, 'sign_in_not_begun'])
  })
})

describe('the log', () => {
  it('has nothing secret in it', async () => {
    const { api, browser, server } = await setUp(db)
    const url = await begin(browser)
    const back = await new ProviderVisitor().signIn(url.href, 'ann')
    await comeBack(browser, back)
    await comeBack(browser, back)
    const victim = new Phone(api, EMAIL)
    const state = (await begin(victim)).searchParams.get('state')!
    await comeBack(victim, backWith({ state, code: back.searchParams.get('code')! }))
    server.accounts.set('bob', { email: 'bob@example.com', email_verified: false })
    await signIn(browser, 'bob')
    const text = api.log.text()
    expect(text).toContain(COMPLETE.slice(0, -1))
    const secrets = [
      state,
      ...['state', 'nonce', 'code_challenge'].map((name) => url.searchParams.get(name)!),
    ]
    secrets.push(
      back.searchParams.get('code')!,
      CLIENT.clientSecret,
      'ann@example.com',
      'bob@example.com',
      'eyJ',
    )
    for (const secret of secrets) expect(text).not.toContain(secret)
  })
})
