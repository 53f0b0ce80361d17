import type { LightMyRequestResponse } from 'fastify'
import { describe, expect, it } from 'vitest'
import { PASSWORD, startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { WRONG_CODE } from '../../support/totp-requests.ts'
import { WhisperClient } from '../../support/whisper-client.ts'

const db = setUpDatabase()

const MINUTE = 60_000

/** Someone whose app is set up, a while ago. */
async function enrolled(api: TestApi, name = 'ann'): Promise<{ client: WhisperClient; codes: string[] }> {
  const client = new WhisperClient(api, `${name}@example.com`)
  const codes = await client.registerWithTotp()
  api.clock.advance(10 * MINUTE)
  return { client, codes }
}

/** Addresses that differ in all that must not be told. */
async function everyone(api: TestApi): Promise<WhisperClient[]> {
  const { client } = await enrolled(api)
  await new WhisperClient(api, 'unproved@example.com').register()
  const halfway = new WhisperClient(api, 'halfway@example.com')
  await halfway.register()
  await halfway.confirmEmail()
  await halfway.request('POST totp-device/create/')
  await api.register('password')
  const names = ['unproved', 'halfway', 'password', 'nobody']
  return [client.copy(), ...names.map((name) => new WhisperClient(api, `${name}@example.com`))]
}

/** All that a client can see of an answer, but the time and what the cookie hides. */
function visible({ statusCode: status, headers, body }: LightMyRequestResponse) {
  const { date: _date, 'set-cookie': cookie, ...rest } = headers
  return { status, headers: rest, body, cookie: String(cookie).replace(/=[^;]+/, '=') }
}

function expectAllTheSame(answers: unknown[]): void {
  for (const answer of answers) expect(answer).toEqual(answers[0])
}

describe('POST /api/v1/user/login/', () => {
  it('leads every address to where the code is asked for', async () => {
    const api = await startApi(db)
    const answers = []
    for (const client of await everyone(api)) answers.push(visible(await client.login()))
    expectAllTheSame(answers)
    expect(answers[0]).toMatchObject({
      status: 302,
      headers: { location: '/api/v1/user/totp/verify/' },
      body: '',
    })
  })

  it('refuses what is no address, and remembers none then', async () => {
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
  it('needs an address first, which is never in its body', async () => {
    const api = await startApi(db)
    const { client } = await enrolled(api)
    const stranger = new WhisperClient(api, 'ann@example.com')
    const body = { email: 'ann@example.com', otp_token: client.code() }
    const response = await stranger.request('POST totp/verify/', body)
    expect([response.statusCode, response.json().error.code]).toEqual([401, 'login_needed'])
    const { access: token } = await client.signIn()
    const withToken = await stranger.request('POST totp/verify/', { otp_token: client.nextCode() }, { token })
    expect(withToken.json().error.code).toBe('login_needed')
  })

  it('forgets an address after half an hour', async () => {
    const api = await startApi(db)
    const { client } = await enrolled(api)
    await client.login()
    api.clock.advance(30 * MINUTE)
    expect((await client.verifyCode(client.code())).json().error.code).toBe('login_needed')
  })

  it('answers wrong, used and outdated codes the same, and the codes of nobody', async () => {
    const api = await startApi(db)
    const phones = await everyone(api)
    const ann = phones[0]!
    const answers = []
    const outdated = ann.code()
    await ann.signIn()
    for (const code of [WRONG_CODE, ann.code(), outdated, '', 'x', '00000-00000-00000']) {
      await ann.login()
      api.clock.advance(MINUTE)
      answers.push(visible(await ann.verifyCode(code)))
    }
    for (const client of phones.slice(1)) {
      await client.login()
      answers.push(visible(await client.verifyCode(WRONG_CODE)))
    }
    expectAllTheSame(answers)
    expect(answers[0]).toMatchObject({ status: 401, body: expect.stringContaining('"code":"otp_invalid"') })
  })

  it('says the same when it is too much, to everyone at the same time', async () => {
    const api = await startApi(db)
    const answers = []
    for (const client of await everyone(api)) {
      await client.login()
      const tries = []
      for (let i = 0; i < 7; i++) tries.push(visible(await client.verifyCode(WRONG_CODE)))
      answers.push(tries)
    }
    expectAllTheSame(answers)
    expect(answers[0]!.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429, 429])
    expect(answers[0]![6]).toMatchObject({
      headers: { 'retry-after': '60' },
      body: expect.stringContaining('"code":"rate_limited"'),
    })
  })

  it.each([true, false])('takes five tries a minute, with limits on: %s', async (rateLimits) => {
    const api = await startApi(db, { rateLimits })
    const { client } = await enrolled(api)
    const tries = []
    for (let i = 0; i < 3; i++) {
      // Neither another browser nor another way to write the address makes it another account.
      const other = new WhisperClient(api, i % 2 ? 'ANN@example.com' : ' ann@example.com')
      await other.login()
      tries.push(...(await Promise.all([1, 2].map(() => other.verifyCode(WRONG_CODE)))))
    }
    expect(tries.map(({ statusCode }) => statusCode).sort()).toEqual([401, 401, 401, 401, 401, 429])
    await client.login()
    expect((await client.verifyCode(client.code())).statusCode).toBe(429)
    api.clock.advance(MINUTE)
    expect((await client.verifyCode(client.code())).statusCode).toBe(200)
  })

  it('takes a code once, however many browsers give it at once', async () => {
    const api = await startApi(db)
    const { client } = await enrolled(api)
    await client.login()
    const browsers = [client, client.copy(), client.copy(), client.copy()]
    const answers = await Promise.all(browsers.map((browser) => browser.verifyCode(client.code())))
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, 401, 401, 401])
  })

  it('does not take the code that confirmed the app', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.registerWithTotp()
    await client.login()
    expect((await client.verifyCode(client.code())).statusCode).toBe(401)
    expect((await client.verifyCode(client.nextCode())).statusCode).toBe(200)
  })

  it('takes each recovery code once, in any email case, with dashes or without', async () => {
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

  it('signs in after the address was proved, too', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.registerWithTotp()
    expect((await client.verifyCode(client.nextCode())).statusCode).toBe(200)
  })

  it('signs in whose address it is by now, and nobody by one they gave up', async () => {
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

  it('keep even the right code out, until an email has proved the address again', async () => {
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

  it('look the same to who gives them, for an account or for none', async () => {
    const api = await startApi(db, { rateLimits: false })
    const { client } = await enrolled(api)
    const answers = []
    for (const one of [client.copy(), new WhisperClient(api, 'eve@example.com')]) {
      await lockOut(api, one)
      await one.login()
      answers.push(visible(await one.verifyCode(WRONG_CODE)))
    }
    expectAllTheSame(answers)
  })
})

describe('POST /auth/login with an app set up', () => {
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

  it('needs a code besides the password', async () => {
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

  it('takes a recovery code', async () => {
    const { api, codes } = await withApp()
    expect((await login(api, { otp_token: codes[0] })).statusCode).toBe(200)
    expect((await login(api, { otp_token: codes[0] })).statusCode).toBe(401)
  })

  it('says nothing of codes to who does not know the password', async () => {
    const { api, client } = await withApp()
    for (const otp_token of [undefined, WRONG_CODE, client.code()]) {
      const response = await login(api, { password: 'wrong horse battery staple', otp_token })
      expect(response.json().error.code).toBe('invalid_credentials')
    }
    expect((await login(api, { otp_token: client.code() })).statusCode).toBe(200)
  })

  it('has its tries counted with those of Whisper', async () => {
    const { api, client } = await withApp()
    const tries = []
    await client.login()
    for (let i = 0; i < 4; i++) {
      tries.push(await login(api, { otp_token: WRONG_CODE }), await client.verifyCode(WRONG_CODE))
    }
    expect(tries.map(({ statusCode }) => statusCode)).toEqual([401, 401, 401, 401, 401, 429, 429, 429])
  })

  it('ignores a code where there is no app', async () => {
    const api = await startApi(db)
    await api.register('ann')
    expect((await login(api, { otp_token: WRONG_CODE })).statusCode).toBe(200)
    expect((await login(api, { otp_token: 5 })).statusCode).toBe(422)
  })

  it('needs no code any more once the app is removed', async () => {
    const { api, client } = await withApp()
    const { auth_token: token } = (await login(api, { otp_token: client.code() })).json()
    const body = { otp_token: client.nextCode() }
    await api.send('DELETE /api/v1/user/totp-device/', { token, body })
    expect((await login(api)).statusCode).toBe(200)
  })

  it('is not what a new password gets around', async () => {
    const { api } = await withApp()
    await api.send('POST /auth/password/request', { body: { email: 'ann@example.com' } })
    const token = await api.tokenOfEmail('ann@example.com')
    const password = 'a wholly different sentence'
    const body = { token, new_password: password, new_password_confirmation: password }
    expect((await api.send('POST /auth/password/reset', { body })).statusCode).toBe(204)
    expect((await login(api, { password })).json().error.code).toBe('totp_required')
  })
})
