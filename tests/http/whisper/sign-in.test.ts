import type { LightMyRequestResponse } from 'fastify'
import { describe, expect, it } from 'vitest'
import { PASSWORD, startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { WRONG_CODE } from '../../support/totp-requests.ts'
import { WhisperClient } from '../../support/whisper-client.ts'

const db = setUpDatabase()

const MINUTE = 60_000

/** A client with a confirmed app, ten minutes later. */
async function enrolled(api: TestApi, name = 'ann'): Promise<{ client: WhisperClient; codes: string[] }> {
  const client = new WhisperClient(api, `${name}@example.com`)
  const codes = await client.registerWithTotp()
  api.clock.advance(10 * MINUTE)
  return { client, codes }
}

/** Clients with addresses in every state that a response must not reveal. */
async function clientsInEveryState(api: TestApi): Promise<WhisperClient[]> {
  const { client } = await enrolled(api)
  await new WhisperClient(api, 'unverified@example.com').register()
  const halfway = new WhisperClient(api, 'halfway@example.com')
  await halfway.register()
  await halfway.confirmEmail()
  await halfway.request('POST totp-device/create/')
  await api.register('password')
  const names = ['unverified', 'halfway', 'password', 'nobody']
  return [client.copy(), ...names.map((name) => new WhisperClient(api, `${name}@example.com`))]
}

/** The parts of a response that a client can see, without the date and the encrypted value of the cookie. */
function visiblePartsOf({ statusCode: status, headers, body }: LightMyRequestResponse) {
  const { date: _date, 'set-cookie': cookie, ...rest } = headers
  return { status, headers: rest, body, cookie: String(cookie).replace(/=[^;]+/, '=') }
}

function expectAllEqual(responses: unknown[]): void {
  for (const response of responses) expect(response).toEqual(responses[0])
}

describe('POST /api/v1/user/login/', () => {
  it('redirects every address to the code form', async () => {
    const api = await startApi(db)
    const responses = []
    for (const client of await clientsInEveryState(api)) responses.push(visiblePartsOf(await client.login()))
    expectAllEqual(responses)
    expect(responses[0]).toMatchObject({
      status: 302,
      headers: { location: '/api/v1/user/totp/verify/' },
      body: '',
    })
  })

  it('rejects an invalid address, and stores none', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    for (const email of ['', 'ann', 'a\0@example.com', `${'a'.repeat(161)}@example.com`]) {
      const response = await client.request('POST login/', { email })
      expect(response.statusCode).toBe(422)
      expect(response.json()).toHaveProperty('errors.email')
    }
    expect((await client.verifyCode(WRONG_CODE)).json().error.code).toBe('login_needed')
  })
})

describe('POST /api/v1/user/totp/verify/', () => {
  it('requires an address from the cookie, never from the body', async () => {
    const api = await startApi(db)
    const { client } = await enrolled(api)
    const unknownBrowser = new WhisperClient(api, 'ann@example.com')
    const body = { email: 'ann@example.com', otp_token: client.code() }
    const response = await unknownBrowser.request('POST totp/verify/', body)
    expect([response.statusCode, response.json().error.code]).toEqual([401, 'login_needed'])
    const { access: token } = await client.signIn()
    const withToken = await unknownBrowser.request(
      'POST totp/verify/',
      { otp_token: client.nextCode() },
      { token },
    )
    expect(withToken.json().error.code).toBe('login_needed')
  })

  it('rejects an address after half an hour', async () => {
    const api = await startApi(db)
    const { client } = await enrolled(api)
    await client.login()
    api.clock.advance(30 * MINUTE)
    expect((await client.verifyCode(client.code())).json().error.code).toBe('login_needed')
  })

  it('responds identically to wrong, used and outdated codes, with and without an account', async () => {
    const api = await startApi(db)
    const clients = await clientsInEveryState(api)
    const ann = clients[0]!
    const responses = []
    const outdated = ann.code()
    await ann.signIn()
    for (const code of [WRONG_CODE, ann.code(), outdated, '', 'x', '00000-00000-00000']) {
      await ann.login()
      api.clock.advance(MINUTE)
      responses.push(visiblePartsOf(await ann.verifyCode(code)))
    }
    for (const client of clients.slice(1)) {
      await client.login()
      responses.push(visiblePartsOf(await client.verifyCode(WRONG_CODE)))
    }
    expectAllEqual(responses)
    expect(responses[0]).toMatchObject({ status: 401, body: expect.stringContaining('"code":"otp_invalid"') })
  })

  it('applies the same limit with and without an account', async () => {
    const api = await startApi(db)
    const responses = []
    for (const client of await clientsInEveryState(api)) {
      await client.login()
      const attempts = []
      for (let i = 0; i < 7; i++) attempts.push(visiblePartsOf(await client.verifyCode(WRONG_CODE)))
      responses.push(attempts)
    }
    expectAllEqual(responses)
    expect(responses[0]!.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429, 429])
    expect(responses[0]![6]).toMatchObject({
      headers: { 'retry-after': '60' },
      body: expect.stringContaining('"code":"rate_limited"'),
    })
  })

  it.each([true, false])(
    'allows five attempts a minute, with rate limits enabled: %s',
    async (rateLimits) => {
      const api = await startApi(db, { rateLimits })
      const { client } = await enrolled(api)
      const attempts = []
      for (let i = 0; i < 3; i++) {
        // Neither another browser nor another way to write the address makes it another account.
        const other = new WhisperClient(api, i % 2 ? 'ANN@example.com' : ' ann@example.com')
        await other.login()
        attempts.push(...(await Promise.all([1, 2].map(() => other.verifyCode(WRONG_CODE)))))
      }
      expect(attempts.map(({ statusCode }) => statusCode).sort()).toEqual([401, 401, 401, 401, 401, 429])
      await client.login()
      expect((await client.verifyCode(client.code())).statusCode).toBe(429)
      api.clock.advance(MINUTE)
      expect((await client.verifyCode(client.code())).statusCode).toBe(200)
    },
  )

  it('accepts a code once, also from concurrent browsers', async () => {
    const api = await startApi(db)
    const { client } = await enrolled(api)
    await client.login()
    const browsers = [client, client.copy(), client.copy(), client.copy()]
    const responses = await Promise.all(browsers.map((browser) => browser.verifyCode(client.code())))
    expect(responses.map(({ statusCode }) => statusCode).sort()).toEqual([200, 401, 401, 401])
  })

  it('rejects the code that confirmed the app', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.registerWithTotp()
    await client.login()
    expect((await client.verifyCode(client.code())).statusCode).toBe(401)
    expect((await client.verifyCode(client.nextCode())).statusCode).toBe(200)
  })

  it('accepts each recovery code once, in any letter case, with or without dashes', async () => {
    const api = await startApi(db)
    const { client, codes } = await enrolled(api)
    const [first, second, third] = codes as [string, string, string]
    await client.signIn(first)
    await client.signIn(second.toUpperCase())
    await client.signIn(third.replaceAll('-', ''))
    await client.login()
    for (const code of [first, first.toUpperCase(), second, third]) {
      expect((await client.verifyCode(code)).statusCode).toBe(401)
    }
  })

  it('accepts a code after an email verification', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.registerWithTotp()
    expect((await client.verifyCode(client.nextCode())).statusCode).toBe(200)
  })

  it('finds an account by its current address, not by an earlier one', async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.registerConfirmed('ann')
    const client = new WhisperClient(api, 'ann@example.com')
    await client.setUpTotp({ token })
    await client.login()
    await api.send('POST /api/token/email_change', { token })
    const change = { token: await api.tokenOfEmail('ann@example.com'), email: 'ann@new.example' }
    await api.send('PATCH /api/email', { token, body: { ...change, password: PASSWORD } })
    expect((await client.verifyCode(client.nextCode(), PASSWORD)).statusCode).toBe(401)
    expect((await client.request('POST login/', { email: 'ann@new.example' })).statusCode).toBe(302)
    expect((await client.verifyCode(client.nextCode(), PASSWORD)).json().email).toBe('ann@new.example')
  })
})

describe('a hundred wrong codes in a row', () => {
  async function lockOut(api: TestApi, client: WhisperClient): Promise<void> {
    await client.login()
    for (let i = 0; i < 100; i++) {
      if (i % 5 === 0) api.clock.advance(MINUTE)
      if (i % 50 === 0) await client.login()
      expect((await client.verifyCode(WRONG_CODE)).statusCode).toBe(401)
    }
    api.clock.advance(MINUTE)
  }

  it('lock out even the right code, until an email verifies the address', async () => {
    const api = await startApi(db, { rateLimits: false })
    const { client } = await enrolled(api)
    const mailed = (await api.emails()).length
    await lockOut(api, client.copy())

    await client.login()
    const refused = await client.verifyCode(client.code())
    expect([refused.statusCode, refused.json().error.code]).toEqual([401, 'otp_invalid'])

    await client.request('POST verify-email/begin/', { email: client.email })
    expect(await api.emails()).toHaveLength(mailed + 1)
    expect((await client.confirmEmail()).statusCode).toBe(200)
    expect((await client.request('POST totp-device/create/')).statusCode).toBe(409)
    expect((await client.request('POST qr-code/')).statusCode).toBe(409)
    expect((await client.verifyCode(WRONG_CODE)).statusCode).toBe(401)
    expect((await client.verifyCode(client.nextCode())).statusCode).toBe(200)

    api.clock.advance(MINUTE)
    await client.request('POST verify-email/begin/', { email: client.email })
    expect(await api.emails()).toHaveLength(mailed + 1)
  })

  it('get the same responses with and without an account', async () => {
    const api = await startApi(db, { rateLimits: false })
    const { client } = await enrolled(api)
    const responses = []
    for (const one of [client.copy(), new WhisperClient(api, 'eve@example.com')]) {
      await lockOut(api, one)
      await one.login()
      responses.push(visiblePartsOf(await one.verifyCode(WRONG_CODE)))
    }
    expectAllEqual(responses)
  })
})

describe('POST /auth/login to an account with an authenticator app', () => {
  const login = (api: TestApi, fields: object = {}) =>
    api.send('POST /auth/login', { body: { email: 'ann@example.com', password: PASSWORD, ...fields } })

  async function withApp(): Promise<{ api: TestApi; client: WhisperClient; codes: string[] }> {
    const api = await startApi(db)
    const { auth_token: token } = await api.registerConfirmed('ann')
    const client = new WhisperClient(api, 'ann@example.com')
    const codes = await client.setUpTotp({ token })
    api.clock.advance(10 * MINUTE)
    return { api, client, codes }
  }

  it('requires a code after the password', async () => {
    const { api, client } = await withApp()
    for (const fields of [{}, { otp_token: null }, { otp_token: '' }]) {
      const response = await login(api, fields)
      expect(response.statusCode).toBe(401)
      expect(response.json().error.code).toBe('totp_required')
    }
    const wrong = await login(api, { otp_token: WRONG_CODE })
    expect([wrong.statusCode, wrong.json().error.code]).toEqual([401, 'otp_invalid'])
    const right = await login(api, { otp_token: client.code() })
    expect(right.statusCode).toBe(200)
    expect(right.json().user.email).toBe('ann@example.com')
    expect((await login(api, { otp_token: client.code() })).statusCode).toBe(401)
  })

  it('accepts a recovery code', async () => {
    const { api, codes } = await withApp()
    expect((await login(api, { otp_token: codes[0] })).statusCode).toBe(200)
    expect((await login(api, { otp_token: codes[0] })).statusCode).toBe(401)
  })

  it('does not reveal the app without the password', async () => {
    const { api, client } = await withApp()
    for (const otp_token of [undefined, WRONG_CODE, client.code()]) {
      const response = await login(api, { password: 'wrong horse battery staple', otp_token })
      expect(response.json().error.code).toBe('invalid_credentials')
    }
    expect((await login(api, { otp_token: client.code() })).statusCode).toBe(200)
  })

  it('shares the limit of attempts with Whisper', async () => {
    const { api, client } = await withApp()
    const attempts = []
    await client.login()
    for (let i = 0; i < 4; i++) {
      attempts.push(await login(api, { otp_token: WRONG_CODE }), await client.verifyCode(WRONG_CODE))
    }
    expect(attempts.map(({ statusCode }) => statusCode)).toEqual([401, 401, 401, 401, 401, 429, 429, 429])
  })

  it('ignores a code without an app', async () => {
    const api = await startApi(db)
    await api.register('ann')
    expect((await login(api, { otp_token: WRONG_CODE })).statusCode).toBe(200)
    expect((await login(api, { otp_token: 5 })).statusCode).toBe(422)
  })

  it('requires no code after the app was removed', async () => {
    const { api, client } = await withApp()
    const { auth_token: token } = (await login(api, { otp_token: client.code() })).json()
    const body = { otp_token: client.nextCode() }
    await api.send('DELETE /api/v1/user/totp-device/', { token, body })
    expect((await login(api)).statusCode).toBe(200)
  })

  it('still requires a code after a password reset', async () => {
    const { api } = await withApp()
    await api.send('POST /auth/password/request', { body: { email: 'ann@example.com' } })
    const token = await api.tokenOfEmail('ann@example.com')
    const password = 'a wholly different sentence'
    const body = { token, new_password: password, new_password_confirmation: password }
    expect((await api.send('POST /auth/password/reset', { body })).statusCode).toBe(204)
    expect((await login(api, { password })).json().error.code).toBe('totp_required')
  })
})
