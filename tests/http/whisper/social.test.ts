import { describe, expect, it } from 'vitest'
import { startApi } from '../../support/api.ts'
import { ProviderBrowser } from '../../support/openid-provider.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import {
  BEGIN_PATH,
  beginSignIn,
  CALLBACK_PATH,
  CLIENT,
  EMAIL,
  failure,
  followCallback,
  PUBLIC_URL,
  signIn,
  startApiWith,
  startWithProvider,
  users,
} from '../../support/social-sign-in.ts'
import { WhisperClient } from '../../support/whisper-client.ts'

const TOTP = '/api/v1/user/totp/verify/'

const db = setUpDatabase()

describe('beginning a sign-in', () => {
  it('redirects to the provider, with PUBLIC_URL as the redirect URI whatever the Host header', async () => {
    const { api, server } = await startWithProvider(db)
    const headers = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      forwarded: 'host=evil.example',
    }
    const response = await api.send(`GET ${BEGIN_PATH}`, { headers })
    expect(response.statusCode).toBe(302)
    const url = new URL(response.headers.location!)
    expect(url.origin).toBe(server.issuer)
    expect(Object.fromEntries(url.searchParams)).toEqual({
      response_type: 'code',
      client_id: CLIENT.clientId,
      redirect_uri: `${PUBLIC_URL}${CALLBACK_PATH}`,
      scope: 'openid email',
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    })
  })

  it('creates a new attempt each time', async () => {
    const { browser } = await startWithProvider(db)
    const [one, other] = [await beginSignIn(browser), await beginSignIn(browser)]
    for (const name of ['state', 'nonce', 'code_challenge'])
      expect(one.searchParams.get(name)).not.toBe(other.searchParams.get(name))
  })

  it('stores the attempt in an encrypted cookie', async () => {
    const { browser, api } = await startWithProvider(db)
    const { searchParams } = await beginSignIn(browser)
    const response = await api.send(`GET ${BEGIN_PATH}`)
    const [cookie] = response.cookies
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Lax', secure: true, path: '/' })
    const [content] = [...browser.cookies.values()].map((value) =>
      Buffer.from(decodeURIComponent(value), 'base64').toString('latin1'),
    )
    expect(content).not.toContain(searchParams.get('state'))
    expect(content).not.toContain('codeVerifier')
  })

  it.each([
    '',
    '/',
    '/anything',
    '/anything/',
    '?next=https://evil.example',
    '/%2F%2Fevil.example?redirect_uri=x',
  ])('redirects only to the provider with the suffix %j', async (extra) => {
    const { api, server } = await startWithProvider(db)
    const response = await api.send(`GET ${BEGIN_PATH}${extra}`)
    expect(response.statusCode).toBe(302)
    const url = new URL(response.headers.location!)
    expect(url.origin).toBe(server.issuer)
    expect(url.href).not.toContain('evil')
    expect(url.searchParams.get('redirect_uri')).toBe(CLIENT.redirectUri)
  })

  it('responds with 503 when the provider is unavailable', async () => {
    const api = await startApiWith(db, { issuer: 'http://127.0.0.1:9' })
    const response = await api.send(`GET ${BEGIN_PATH}`)
    expect(failure(response)).toEqual([503, 'provider_unavailable'])
    expect(response.headers['retry-after']).toBe('1')
  })
})

describe.each(['begin', 'complete'])('the path to %s', (step) => {
  it.each(['facebook', '__proto__', 'constructor', 'GOOGLE-OAUTH2', '%00', 'x'.repeat(1_000)])(
    'responds with 404 to %s',
    async (backend) => {
      const { api } = await startWithProvider(db)
      const response = await api.send(`GET /api/v1/user/social/${step}/${backend}`)
      expect(failure(response)).toEqual([404, 'not_found'])
      expect(response.json().error.message).toBe('There is no such provider.')
    },
  )

  it('reports a provider that is not configured', async () => {
    const api = await startApi(db)
    const response = await api.send(`GET /api/v1/user/social/${step}/google-oauth2/`)
    expect(failure(response)).toEqual([404, 'provider_not_configured'])
    expect(response.json().error.message).toMatch(/not configured/)
  })
})

describe('completing the sign-in of a new user', () => {
  it('verifies the address, which allows setting up 2FA and signing in', async () => {
    const { browser } = await startWithProvider(db)
    await signIn(browser)
    expect(await browser.setUpTotp()).toHaveLength(10)
    expect(await browser.signIn()).toMatchObject({ email: EMAIL })
  })

  it('creates an account with a confirmed address', async () => {
    const { browser } = await startWithProvider(db)
    const response = await signIn(browser)
    expect(response.statusCode).toBe(201)
    expect(response.json()).toEqual({
      id: expect.stringMatching(/^[\w-]{21}$/),
      email: 'ann@example.com',
      username: expect.stringMatching(/^user-[a-z0-9]{10}$/),
      is_email_verified: true,
      is_username_set: false,
      message: 'Proceed to 2FA setup.',
    })
    expect(await users(db)).toEqual([
      {
        email: 'ann@example.com',
        username: response.json().username,
        is_username_set: false,
        display_name: 'ann@example.com',
        password_hash: null,
        confirmed: true,
        subjects: ['ann'],
      },
    ])
  })

  it.each<[what: string, account: { email?: string; email_verified?: boolean }]>([
    ['the provider has not verified', { email: 'ann@example.com', email_verified: false }],
    ['the provider says nothing of', { email: 'ann@example.com' }],
    ['the provider does not tell', { email_verified: true }],
  ])('creates no account with an address that %s', async (_what, account) => {
    const { browser, server } = await startWithProvider(db)
    server.accounts.set('ann', account)
    const response = await signIn(browser)
    expect(failure(response)).toEqual([403, 'email_unverified'])
    expect(await users(db)).toEqual([])
  })

  it('creates no account with an invalid address', async () => {
    const { browser, server } = await startWithProvider(db)
    server.accounts.set('ann', { email: 'ann@example.com, bob@example.com', email_verified: true })
    const response = await signIn(browser)
    expect(failure(response)).toEqual([422, 'validation_failed'])
    expect(response.json().errors).toEqual({ email: ['must be an email address'] })
  })

  it('creates one account for two concurrent browsers', async () => {
    const { api } = await startWithProvider(db)
    const browsers = [1, 2, 3, 4].map(() => new WhisperClient(api, EMAIL))
    const backs = await Promise.all(
      browsers.map(async (browser) => new ProviderBrowser().signIn((await beginSignIn(browser)).href, 'ann')),
    )
    const responses = await Promise.all(browsers.map((browser, i) => followCallback(browser, backs[i]!)))
    expect(responses.map(({ statusCode }) => statusCode).sort()).toEqual([201, 401, 401, 401])
    expect(await users(db)).toHaveLength(1)
  })

  it('creates one account for two concurrent identities with the same address', async () => {
    const { api, server } = await startWithProvider(db)
    server.accounts.set('other ann', { email: 'ANN@example.com', email_verified: true })
    const browsers = [new WhisperClient(api, EMAIL), new WhisperClient(api, EMAIL)] as const
    const logins = ['ann', 'other ann']
    const backs = await Promise.all(
      browsers.map(async (browser, i) =>
        new ProviderBrowser().signIn((await beginSignIn(browser)).href, logins[i]!),
      ),
    )
    const responses = await Promise.all(browsers.map((browser, i) => followCallback(browser, backs[i]!)))
    expect(responses.map(({ statusCode }) => statusCode).sort()).toEqual([201, 409])
    const [user, ...more] = await users(db)
    expect(more).toEqual([])
    expect(user!.subjects).toHaveLength(1)
  })
})

describe('completing the sign-in of a known user', () => {
  it('redirects to the code form when 2FA is set up, and signs in only with the code', async () => {
    const { api, browser } = await startWithProvider(db)
    const { id } = (await signIn(browser)).json()
    await browser.setUpTotp()
    const elsewhere = browser.copy()
    elsewhere.cookies.clear()
    const response = await signIn(elsewhere)
    expect([response.statusCode, response.headers.location, response.body]).toEqual([302, TOTP, ''])
    expect((await elsewhere.request('POST refresh/')).statusCode).toBe(401)
    for (const line of ['POST totp-device/create/', 'POST qr-code/'])
      expect(failure(await elsewhere.request(line)), line).toEqual([403, 'email_not_proved'])
    expect(failure(await elsewhere.verifyCode('000000'))).toEqual([401, 'otp_invalid'])
    const tokens = (await elsewhere.verifyCode(elsewhere.nextCode())).json()
    expect(tokens).toMatchObject({ id, email: EMAIL })
    expect((await api.send('GET /api/users', { token: tokens.access })).statusCode).toBe(200)
  })

  it('allows setting up 2FA if there is none', async () => {
    const { api, browser } = await startWithProvider(db)
    await signIn(new WhisperClient(api, EMAIL))
    await signIn(browser)
    expect(await browser.setUpTotp()).toHaveLength(10)
    expect(await browser.signIn()).toMatchObject({ email: EMAIL })
  })

  it('verifies only the account of the identity', async () => {
    const { api, server, browser } = await startWithProvider(db)
    server.accounts.set('bob', { email: 'bob@example.com', email_verified: true })
    await signIn(browser)
    const { id } = (await signIn(browser, 'bob')).json()
    const device = await browser.request('POST totp-device/create/', { email: EMAIL })
    expect(device.json()).toMatchObject({ user: id, name: 'bob@example.com' })
    expect(await api.database.rows('select user_id from totp_devices', [])).toHaveLength(1)
  })

  it('responds with totp_setup_required without 2FA', async () => {
    const { browser } = await startWithProvider(db)
    await signIn(browser)
    const response = await signIn(browser)
    expect(response.statusCode).toBe(401)
    expect(response.json()).toEqual({
      error: { code: 'totp_setup_required', message: 'Complete 2FA setup.' },
      message: 'Complete 2FA setup.',
    })
    expect(await users(db)).toHaveLength(1)
  })

  it('recognizes the identity when its address has changed or is no longer verified', async () => {
    const { browser, server } = await startWithProvider(db)
    await signIn(browser)
    server.accounts.set('ann', { email: 'new@example.com', email_verified: false })
    expect(failure(await signIn(browser))).toEqual([401, 'totp_setup_required'])
    expect(await users(db)).toMatchObject([{ email: 'ann@example.com', subjects: ['ann'] }])
  })

  it('links an account with the same address in any letter case if both sides have verified it', async () => {
    const { api, browser, server } = await startWithProvider(db)
    await api.register('ann')
    await confirm('ann@example.com')
    server.accounts.set('ann', { email: 'Ann@Example.com', email_verified: true })
    // The account has a password, which is asked for next.
    expect((await signIn(browser)).statusCode).toBe(302)
    expect(await users(db)).toMatchObject([{ email: 'ann@example.com', subjects: ['ann'] }])
  })

  it('links an account with an unconfirmed address, and removes its password', async () => {
    const { api, browser } = await startWithProvider(db)
    await api.register('ann')
    expect(failure(await signIn(browser))).toEqual([401, 'totp_setup_required'])
    expect(await users(db)).toMatchObject([{ confirmed: true, subjects: ['ann'], password_hash: null }])
  })

  it('rejects an account whose address was changed and not confirmed', async () => {
    const { browser } = await startWithProvider(db)
    await signIn(browser)
    await db.rows('update users set email = $1, email_confirmed_at = null', ['bob@example.com'])
    expect(failure(await signIn(browser))).toEqual([409, 'email_unconfirmed'])
  })

  it('does not link an account if the provider has not verified the address', async () => {
    const { api, browser, server } = await startWithProvider(db)
    await api.register('ann')
    await confirm('ann@example.com')
    server.accounts.set('ann', { email: 'ann@example.com', email_verified: false })
    expect(failure(await signIn(browser))).toEqual([403, 'email_unverified'])
    expect(await users(db)).toMatchObject([{ subjects: [] }])
  })

  it('does not link the account to a second identity with its address', async () => {
    const { browser, server } = await startWithProvider(db)
    await signIn(browser)
    server.accounts.set('thief', { email: 'ann@example.com', email_verified: true })
    expect(failure(await signIn(browser, 'thief'))).toEqual([409, 'identity_taken'])
    expect(await users(db)).toMatchObject([{ subjects: ['ann'] }])
  })

  it('does not accept the same subject of another issuer', async () => {
    const { browser } = await startWithProvider(db)
    await signIn(browser)
    const before = await db.rows('select issuer, subject, user_id from identities', [])
    await db.rows('update identities set issuer = $1', ['https://accounts.example'])
    expect(failure(await signIn(browser))).toEqual([409, 'identity_taken'])
    expect(await db.rows('select subject, user_id from identities', [])).toHaveLength(before.length)
  })

  it('links an account to one of several concurrent identities', async () => {
    const { api, server } = await startWithProvider(db)
    await api.register('ann')
    await confirm(EMAIL)
    const logins = ['one', 'two', 'three', 'four']
    for (const login of logins) server.accounts.set(login, { email: EMAIL, email_verified: true })
    const browsers = logins.map(() => new WhisperClient(api, EMAIL))
    const backs = await Promise.all(
      browsers.map(async (browser, i) =>
        new ProviderBrowser().signIn((await beginSignIn(browser)).href, logins[i]!),
      ),
    )
    const responses = await Promise.all(browsers.map((browser, i) => followCallback(browser, backs[i]!)))
    expect(responses.map(({ statusCode }) => statusCode).sort()).toEqual([302, 409, 409, 409])
    const [user] = await users(db)
    expect(user!.subjects).toHaveLength(1)
  })

  it('links an account once for two concurrent browsers', async () => {
    const { api } = await startWithProvider(db)
    await api.register('ann')
    await confirm('ann@example.com')
    const responses = await Promise.all([1, 2].map(() => signIn(new WhisperClient(api, EMAIL))))
    expect(responses.map(({ statusCode }) => statusCode)).toEqual([302, 302])
    expect(await users(db)).toMatchObject([{ subjects: ['ann'] }])
  })
})

describe('a browser', () => {
  const headers = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

  it('gets a page with the next step', async () => {
    const { browser } = await startWithProvider(db)
    for (const status of [201, 401]) {
      const { pathname, search } = await new ProviderBrowser().signIn(
        (await beginSignIn(browser)).href,
        'ann',
      )
      const response = await browser.send(`GET ${pathname}${search}`, { headers })
      expect([response.statusCode, response.headers['content-type']]).toEqual([
        status,
        'text/html; charset=utf-8',
      ])
      expect(response.body).toContain('<h1>Set up your authenticator</h1>')
      expect(response.headers.vary).toBe('Origin, Accept')
    }
    expect(await browser.setUpTotp()).toHaveLength(10)
  })

  it('gets an error page', async () => {
    const { browser } = await startWithProvider(db)
    const response = await browser.send(`GET ${CALLBACK_PATH}?state=x&code=%3Cscript%3E`, { headers })
    expect([response.statusCode, response.headers['content-type']]).toEqual([400, 'text/html; charset=utf-8'])
    expect(response.body).toContain('This sign-in has expired or was started in another browser.')
    expect(response.body).not.toContain('script>')
  })

  it('gets an error page when the provider is unavailable', async () => {
    const api = await startApiWith(db, { issuer: 'http://127.0.0.1:9' })
    const response = await api.send(`GET ${BEGIN_PATH}`, { headers })
    expect([response.statusCode, response.headers['retry-after']]).toEqual([503, '1'])
    expect(response.body).toContain('The provider is not available.')
    expect(api.log.text()).toContain('Request could not be served')
  })
})

async function confirm(email: string): Promise<void> {
  await db.rows('update users set email_confirmed_at = now() where email = $1', [email])
}
