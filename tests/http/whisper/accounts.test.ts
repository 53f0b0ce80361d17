import type { LightMyRequestResponse } from 'fastify'
import { describe, expect, it } from 'vitest'
import { startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { WhisperClient } from '../../support/whisper-client.ts'

const db = setUpDatabase()

const ID = /^[\w-]{21}$/
const MINUTE = 60_000
const WRONG = '000000'

it('signs a new user in, from registration to session', async () => {
  const api = await startApi(db)
  const client = new WhisperClient(api, 'ann@example.com')

  const registered = await client.register('ann')
  expect(registered.statusCode).toBe(201)
  const { id } = registered.json()
  expect(id).toMatch(ID)
  const account = { id, email: 'ann@example.com', username: 'ann', is_username_set: true }
  expect(registered.json()).toEqual({
    ...account,
    is_email_verified: false,
    message: 'Check your email for a verification link.',
  })

  const proved = await client.confirmEmail()
  expect(proved.statusCode).toBe(200)
  expect(proved.json()).toEqual({ ...account, is_email_verified: true, message: 'Proceed to 2FA setup.' })

  const created = await client.request('POST totp-device/create/')
  expect(created.statusCode).toBe(201)
  expect(created.json()).toEqual({ user: id, name: 'ann@example.com', confirmed: false })

  const app = await client.scanQrCode()
  expect(app).toMatchObject({
    issuer: 'Parley',
    label: 'ann@example.com',
    algorithm: 'SHA1',
    digits: 6,
    period: 30,
  })

  const confirmed = await client.request('POST totp-device/verify/', { otp_token: client.code() })
  expect(confirmed.statusCode).toBe(200)
  const { recovery_codes, ...device } = confirmed.json()
  expect(device).toEqual({
    user: id,
    name: 'ann@example.com',
    confirmed: true,
    message: 'TOTP Device verified successfully. Proceed to login.',
  })
  expect(new Set(recovery_codes).size).toBe(10)

  const begun = await client.login()
  expect([begun.statusCode, begun.headers.location]).toEqual([302, '/api/v1/user/totp/verify/'])

  const signedIn = await client.verifyCode(client.nextCode())
  expect(signedIn.statusCode).toBe(200)
  const tokens = signedIn.json()
  expect(tokens).toEqual({
    id,
    email: 'ann@example.com',
    access: expect.stringMatching(/^[A-Za-z0-9._-]+$/),
    refresh: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
  })
  expect((await api.send('GET /api/users', { token: tokens.access })).statusCode).toBe(200)

  const refreshed = await client.request('POST refresh/')
  expect(refreshed.statusCode).toBe(200)
  const { access, refresh, ...user } = refreshed.json()
  expect(user).toEqual({ id, email: 'ann@example.com' })
  expect(refresh).not.toBe(tokens.refresh)
  expect((await api.send('GET /api/users', { token: access })).statusCode).toBe(200)
})

it.each(['', '/'])('accepts paths that end with "%s"', async (end) => {
  const api = await startApi(db)
  const client = new WhisperClient(api, 'ann@example.com')
  expect((await client.request(`POST register${end}`, { email: client.email })).statusCode).toBe(201)
  const { pathname } = new URL(await client.confirmationLink())
  const path = pathname.replace(/\/$/, end)
  expect((await client.send(`GET ${path}`)).statusCode).toBe(200)
  expect((await client.send(`POST ${path}`)).statusCode).toBe(200)
  expect((await client.request(`POST totp-device/create${end}`)).statusCode).toBe(201)
  expect((await client.request(`POST qr-code${end}`)).statusCode).toBe(200)
  await client.setUpTotp()
  expect((await client.request(`POST login${end}`, { email: client.email })).statusCode).toBe(302)
  const body = { otp_token: client.nextCode() }
  expect((await client.request(`POST totp/verify${end}`, body)).statusCode).toBe(200)
  expect((await client.request(`POST refresh${end}`)).statusCode).toBe(200)
  const removed = await client.request(`DELETE totp-device${end}`, { otp_token: client.nextCode() })
  expect(removed.statusCode).toBe(204)
})

describe('POST /api/v1/user/register/', () => {
  it('generates a username if none is given', async () => {
    const api = await startApi(db)
    const bodies = [{ email: 'ann@example.com' }, { email: 'bob@example.com', username: null }]
    for (const body of bodies) {
      const response = await api.send('POST /api/v1/user/register/', { body })
      expect(response.statusCode).toBe(201)
      expect(response.json()).toMatchObject({
        username: expect.stringMatching(/^user-[a-z0-9]{10}$/),
        is_username_set: false,
      })
    }
  })

  it('trims the address and the username', async () => {
    const api = await startApi(db)
    const body = { email: ' Ann@Example.com ', username: '  Ann Other ' }
    const response = await api.send('POST /api/v1/user/register/', { body })
    expect(response.json()).toMatchObject({ email: 'Ann@Example.com', username: 'Ann Other' })
  })

  it('uses the address as the display name', async () => {
    const api = await startApi(db)
    await new WhisperClient(api, 'ann@example.com').register('Somebody')
    const { auth_token: token } = await api.register('bob')
    const { items } = (await api.send('GET /api/users', { token })).json()
    expect(items).toEqual([
      { id: expect.any(String), email: 'ann@example.com', display_name: 'ann@example.com', confirmed: false },
    ])
  })

  it('creates an account without a password', async () => {
    const api = await startApi(db)
    await new WhisperClient(api, 'ann@example.com').register()
    for (const password of ['', 'correct horse battery staple']) {
      expect((await api.login('ann', password)).statusCode).toBe(401)
    }
  })

  it('rejects an address that is taken by an account of either kind', async () => {
    const api = await startApi(db)
    await api.register('ann')
    await new WhisperClient(api, 'bob@example.com').register()
    for (const email of ['ann@example.com', 'BOB@example.com']) {
      const response = await new WhisperClient(api, email).register()
      expect(response.statusCode).toBe(422)
      expect(response.json()).toMatchObject({
        error: { code: 'validation_failed' },
        errors: { email: ['has already been taken'] },
      })
    }
  })

  it('rejects a taken username', async () => {
    const api = await startApi(db)
    await new WhisperClient(api, 'ann@example.com').register('Ann')
    const response = await new WhisperClient(api, 'bob@example.com').register('Ann')
    expect(response.statusCode).toBe(422)
    expect(response.json().errors).toEqual({ username: ['has already been taken'] })
    expect((await new WhisperClient(api, 'bob@example.com').register('Bob')).statusCode).toBe(201)
  })

  it.each([
    ['email', { email: undefined }],
    ['email', { email: 'not an address' }],
    ['email', { email: `${'a'.repeat(161)}@example.com` }],
    ['email', { email: 'a\0@example.com' }],
    ['username', { username: 'ab' }],
    ['username', { username: ' ab ' }],
    ['username', { username: 'x'.repeat(121) }],
    ['username', { username: 'a\nb\nc' }],
    ['username', { username: 5 }],
    ['username', { username: 'boss@company' }],
    ['username', { username: 'b\u043ess' }],
    ['username', { username: 'bo\u200bss' }],
  ])('reports the invalid field %s of %o', async (field, change) => {
    const api = await startApi(db)
    const body = { email: 'ann@example.com', username: 'Ann', ...change }
    const response = await api.send('POST /api/v1/user/register/', { body })
    expect(response.statusCode).toBe(422)
    expect(Object.keys(response.json().errors)).toEqual([field])
  })

  it('counts characters, not bytes, in a username', async () => {
    const api = await startApi(db)
    expect((await new WhisperClient(api, 'ann@example.com').register('😀'.repeat(120))).statusCode).toBe(201)
    expect((await new WhisperClient(api, 'bob@example.com').register('abc')).statusCode).toBe(201)
  })
})

describe('POST /api/v1/user/verify-email/begin/', () => {
  const begin = (api: TestApi, email: string) =>
    api.send('POST /api/v1/user/verify-email/begin/', { body: { email } })

  it('responds identically to every address', async () => {
    const api = await startApi(db)
    await new WhisperClient(api, 'ann@example.com').register()
    await new WhisperClient(api, 'bob@example.com').registerWithTotp()
    await api.register('password')
    const responses = []
    for (const name of ['ann', 'bob', 'password', 'eve']) {
      responses.push(visiblePartsOf(await begin(api, `${name}@example.com`)))
    }
    expect(responses[0]).toMatchObject({
      status: 200,
      body: '{"message":"Check your email for a verification link."}',
    })
    expect(new Set(responses.map((response) => JSON.stringify(response))).size).toBe(1)
  })

  it('sends an email only to accounts without an authenticator app', async () => {
    const api = await startApi(db)
    await new WhisperClient(api, 'unverified@example.com').register()
    const verified = new WhisperClient(api, 'verified@example.com')
    await verified.register()
    await verified.confirmEmail()
    const halfway = new WhisperClient(api, 'halfway@example.com')
    await halfway.register()
    await halfway.confirmEmail()
    await halfway.request('POST totp-device/create/')
    await new WhisperClient(api, 'ready@example.com').registerWithTotp()
    await api.register('password')
    const before = (await api.emails()).length
    for (const name of ['unverified', 'verified', 'halfway', 'ready', 'password', 'nobody']) {
      await begin(api, `${name}@example.com`)
    }
    const emails = await api.emails()
    const mailed = emails.slice(0, emails.length - before).map(({ to }) => to)
    const expected = ['unverified', 'verified', 'halfway', 'password'].map((name) => `${name}@example.com`)
    expect(mailed.sort()).toEqual(expected.sort())
  })

  it('sends the email to the address as it was registered', async () => {
    const api = await startApi(db)
    await new WhisperClient(api, 'Ann@Example.com').register()
    await begin(api, 'ANN@EXAMPLE.COM')
    expect((await api.emails()).map(({ to }) => to)).toEqual(['Ann@Example.com', 'Ann@Example.com'])
  })

  it.each([true, false])(
    'sends one email a minute to an address, with rate limits enabled: %s',
    async (rateLimits) => {
      const api = await startApi(db, { rateLimits })
      for (const name of ['ann', 'eve']) {
        if (name === 'ann') await new WhisperClient(api, 'ann@example.com').register()
        expect((await begin(api, `${name}@example.com`)).statusCode).toBe(200)
        for (const email of [`${name}@example.com`, `${name.toUpperCase()}@example.com `]) {
          const second = await begin(api, email)
          expect([second.statusCode, second.headers['retry-after']]).toEqual([429, '60'])
        }
      }
      expect(await api.emails()).toHaveLength(2)
      api.clock.advance(MINUTE)
      expect((await begin(api, 'ann@example.com')).statusCode).toBe(200)
      expect(await api.emails()).toHaveLength(3)
    },
  )

  it('rejects an invalid address', async () => {
    const api = await startApi(db)
    for (const email of ['', 'ann', 'a@b@c', 'a\0@example.com', 'a@example.com\nbcc: eve@example.com']) {
      const response = await begin(api, email)
      expect(response.statusCode, email).toBe(422)
      expect(response.json(), email).toHaveProperty('errors.email')
    }
    expect(await api.emails()).toEqual([])
  })
})

describe('the email', () => {
  it('links to PUBLIC_URL, whatever the Host header', async () => {
    const api = await startApi(db, { publicUrl: 'https://chat.example' })
    const body = { email: 'ann@example.com' }
    await api.send('POST /api/v1/user/register/', { body, headers: { host: 'evil.example' } })
    const [email] = await api.emails()
    const link = /https:\/\/chat\.example\/api\/v1\/user\/verify-email\/complete\/[\w-]{43}\//
    expect(email!.text).toMatch(link)
    expect(email!.html).toMatch(link)
    expect(email!.text + email!.html).not.toContain('evil')
  })

  it('is valid once', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.register()
    const { pathname } = new URL(await client.confirmationLink())
    const together = await Promise.all([1, 2, 3].map(() => api.send(`POST ${pathname}`)))
    expect(together.map(({ statusCode }) => statusCode).sort()).toEqual([200, 400, 400])
    const again = await api.send(`POST ${pathname}`)
    expect(again.statusCode).toBe(400)
    expect(again.json()).toEqual({ error: { code: 'invalid_token', message: 'Invalid token' } })
    expect(again.headers['set-cookie']).toBeUndefined()
  })

  it('is valid for ten minutes', async () => {
    const api = await startApi(db)
    for (const [name, minutes, status] of [
      ['ann', 10 * MINUTE - 1, 200],
      ['bob', 10 * MINUTE, 400],
    ] as const) {
      const client = new WhisperClient(api, `${name}@example.com`)
      await client.register()
      const { pathname } = new URL(await client.confirmationLink())
      api.clock.advance(minutes)
      expect((await api.send(`POST ${pathname}`)).statusCode).toBe(status)
    }
  })

  it('is invalid after a newer one was sent', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.register()
    const { pathname: old } = new URL(await client.confirmationLink())
    await client.request('POST verify-email/begin/', { email: client.email })
    expect(new URL(await client.confirmationLink()).pathname).not.toBe(old)
    expect((await api.send(`POST ${old}`)).statusCode).toBe(400)
    expect((await client.confirmEmail()).statusCode).toBe(200)
  })

  it('is not valid for other requests', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.register()
    const token = /complete\/([\w-]+)/.exec(await client.confirmationLink())![1]
    const password = 'a wholly different sentence'
    const reset = { token, new_password: password, new_password_confirmation: password }
    expect((await api.send('POST /auth/password/reset', { body: reset })).statusCode).toBe(400)
    expect((await api.send('POST /auth/confirm', { body: { token } })).statusCode).toBe(400)
    const { auth_token: bobs } = await api.register('bob')
    const bobsToken = await api.tokenOfEmail('bob@example.com')
    const path = `/api/v1/user/verify-email/complete/${bobsToken}/`
    expect((await api.send(`POST ${path}`, { token: bobs })).statusCode).toBe(400)
  })

  it('keeps the time of an earlier confirmation', async () => {
    const api = await startApi(db)
    const ann = await api.registerConfirmed('ann')
    const client = new WhisperClient(api, 'ann@example.com')
    const confirmedAt = new Date(api.clock.now()).toISOString()
    expect((await api.login('ann')).json().user.confirmed_at).toBe(confirmedAt)
    api.clock.advance(MINUTE)
    await client.request('POST verify-email/begin/', { email: client.email })
    expect((await client.confirmEmail()).json()).toMatchObject({
      is_email_verified: true,
      is_username_set: false,
    })
    expect((await api.login('ann')).json().user).toMatchObject({
      id: ann.user.id,
      confirmed_at: confirmedAt,
    })
  })
})

it('is processed without logging tokens, codes or addresses', async () => {
  const api = await startApi(db)
  const client = new WhisperClient(api, 'ann@example.com')
  await client.register()
  const link = await client.confirmationLink()
  const token = /complete\/([\w-]+)/.exec(link)![1]!
  await client.send(`GET ${new URL(link).pathname}`)
  await client.confirmEmail()
  await client.send(`POST ${new URL(link).pathname}?again`)
  const codes = await client.setUpTotp()
  const { access, refresh } = await client.signIn()
  expect(api.log.text()).toContain('/verify-email/complete/[token]')
  const cookie = [...client.cookies.values()].join()
  const secrets = [token, client.email, client.code(), access, refresh, cookie, codes[0]!]
  for (const secret of secrets) expect(api.log.text()).not.toContain(secret)
})

describe('the page behind the link', () => {
  it('verifies nothing when it is opened', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.register()
    const { pathname } = new URL(await client.confirmationLink())
    for (const method of ['GET', 'HEAD', 'GET']) {
      const page = await client.send(`${method} ${pathname}`)
      expect(page.statusCode).toBe(200)
      expect(page.headers['set-cookie']).toBeUndefined()
    }
    expect((await client.request('POST totp-device/create/')).statusCode).toBe(401)
    expect((await client.confirmEmail()).statusCode).toBe(200)
  })

  it('has a button that posts to its own URL', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.register()
    const { pathname } = new URL(await client.confirmationLink())
    const page = await client.send(`GET ${pathname}`)
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    expect(page.body.match(/<button/g)).toHaveLength(1)
    expect(page.body).toMatch(new RegExp(`<form[^>]* method="post" action="${pathname}"`))
  })

  it.each(['verify-email/complete/x/', 'totp/verify/'])('has no inline scripts: %s', async (path) => {
    const api = await startApi(db)
    const page = await api.send(`GET /api/v1/user/${path}`)
    expect(page.statusCode).toBe(200)
    expect(page.body).not.toMatch(/<script(?![^>]* src=)|\son\w+=|\sstyle=|<style/)
    const policy = page.headers['content-security-policy']
    expect(policy).toContain(`form-action 'self'`)
    expect(policy).not.toContain('unsafe')
    expect(page.headers['cache-control']).toBe('no-store')
  })

  it('does not leak its token, and escapes it', async () => {
    const api = await startApi(db)
    const odd = encodeURIComponent('"><script>alert(1)</script>')
    const page = await api.send(`GET /api/v1/user/verify-email/complete/${odd}/`)
    expect(page.statusCode).toBe(200)
    expect(page.body).not.toContain('<script>alert')
    expect(page.headers['referrer-policy']).toMatch(/^(same-origin|no-referrer)$/)
  })

  it('works as a form without scripts', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.register()
    const asForm = {
      headers: {
        accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
        'content-type': 'application/x-www-form-urlencoded',
        'sec-fetch-site': 'same-origin',
      },
    }
    const { pathname } = new URL(await client.confirmationLink())
    const proved = await client.send(`POST ${pathname}`, { ...asForm, body: '' })
    expect(proved.statusCode).toBe(200)
    expect(proved.headers['content-type']).toBe('text/html; charset=utf-8')
    const again = await client.send(`POST ${pathname}`, { ...asForm, body: '' })
    expect(again.statusCode).toBe(400)
    expect(again.headers['content-type']).toBe('text/html; charset=utf-8')

    await client.setUpTotp()
    const login = await client.send('POST /api/v1/user/login/', {
      ...asForm,
      body: 'email=ann%40example.com',
    })
    expect(login.statusCode).toBe(302)
    const page = await client.send(`GET ${login.headers.location}`)
    expect(page.body).toContain('name="otp_token"')
    const code = (otp: string) =>
      client.send('POST /api/v1/user/totp/verify/', { ...asForm, body: `otp_token=${otp}` })
    const wrong = await code(WRONG)
    expect([wrong.statusCode, wrong.headers['content-type']]).toEqual([401, 'text/html; charset=utf-8'])
    const signedIn = await code(client.nextCode())
    expect([signedIn.statusCode, signedIn.headers.location]).toEqual([303, '/whisper'])
    expect((await client.request('POST refresh/')).statusCode).toBe(200)
  })
})

/** The parts of a response that a client can see, without the date. */
function visiblePartsOf({ statusCode: status, headers, body }: LightMyRequestResponse) {
  const { date: _date, ...rest } = headers
  return { status, headers: rest, body }
}
