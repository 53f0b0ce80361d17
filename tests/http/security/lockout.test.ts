import type { LightMyRequestResponse } from 'fastify'
import { describe, expect, it, vi } from 'vitest'
import { PASSWORD, startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { WhisperClient } from '../../support/whisper-client.ts'

const db = setUpDatabase()

const MINUTE = 60_000
// Hundreds of passwords are hashed here, which takes as long as it takes.
vi.setConfig({ testTimeout: 600_000 })

const WRONG = '000000'
const HOME = '192.0.2.1'
const EMAIL = 'ann@example.com'

/** Signs in with a password, from a browser that keeps cookies. */
function login(
  browser: WhisperClient,
  { password = PASSWORD, from = HOME } = {},
): Promise<LightMyRequestResponse> {
  return browser.send('POST /auth/login', { body: { email: EMAIL, password }, from })
}

/** Attackers on many networks, each of whom gives as many wrong passwords as they may. */
async function exhaust(api: TestApi): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const attacker = new WhisperClient(api, EMAIL)
    const response = await login(attacker, { password: 'wrong', from: `198.51.100.${Math.floor(i / 10)}` })
    expect(response.statusCode).toBe(401)
  }
}

describe('wrong passwords from unknown browsers', () => {
  it('do not lock out the owner on another network', async () => {
    const api = await startApi(db)
    await api.register('ann')
    const attacker = new WhisperClient(api, EMAIL)
    for (let i = 0; i < 10; i++) await login(attacker, { password: 'wrong', from: '198.51.100.1' })
    expect((await login(attacker, { from: '198.51.100.1' })).statusCode).toBe(429)
    expect((await login(new WhisperClient(api, EMAIL))).statusCode).toBe(200)
  })

  it('from many networks lock out new browsers, but not one that signed in before', async () => {
    const api = await startApi(db)
    await api.register('ann')
    const known = new WhisperClient(api, EMAIL)
    await login(known)
    api.clock.advance(MINUTE)
    await exhaust(api)
    expect((await login(new WhisperClient(api, EMAIL))).statusCode).toBe(429)
    expect((await login(known)).statusCode).toBe(200)
  })

  it('get the same responses without an account', async () => {
    const api = await startApi(db)
    await exhaust(api)
    expect((await login(new WhisperClient(api, EMAIL))).statusCode).toBe(429)
  })
})

describe('the device cookie', () => {
  it('has its own limit', async () => {
    const api = await startApi(db)
    await api.register('ann')
    const known = new WhisperClient(api, EMAIL)
    await login(known)
    for (let i = 0; i < 10; i++) {
      expect((await login(known, { password: 'wrong' })).statusCode).toBe(401)
    }
    expect((await login(known)).statusCode).toBe(429)
    api.clock.advance(MINUTE)
    expect((await login(known)).statusCode).toBe(200)
  })

  it('is invalid after a password reset, for another account, when it is modified, and after a year', async () => {
    const api = await startApi(db)
    await api.register('ann')
    await api.register('eve')
    const eve = new WhisperClient(api, 'eve@example.com')
    await eve.send('POST /auth/login', { body: { email: 'eve@example.com', password: PASSWORD } })
    const known = new WhisperClient(api, EMAIL)
    await login(known)
    const value = known.cookies.get('parley_device')!
    const changed = `${value.slice(0, -2)}${value.endsWith('AA') ? 'BB' : 'AA'}`
    api.clock.advance(MINUTE)
    await exhaust(api)
    for (const bad of [changed, `${value}x`, 'x', 'x.y', '.', eve.cookies.get('parley_device')!]) {
      expect((await login(new WhisperClient(api, EMAIL, [['parley_device', bad]]))).statusCode, bad).toBe(429)
    }

    await api.send('POST /auth/password/request', { body: { email: EMAIL } })
    const token = await api.tokenOfEmail(EMAIL)
    const body = { token, new_password: PASSWORD, new_password_confirmation: PASSWORD }
    expect((await api.send('POST /auth/password/reset', { body })).statusCode).toBe(204)
    api.clock.advance(MINUTE)
    await exhaust(api)
    expect((await login(known)).statusCode).toBe(429)

    api.clock.advance(MINUTE)
    expect((await login(known)).statusCode).toBe(200)
    api.clock.jump(365 * 24 * 60 * MINUTE)
    await exhaust(api)
    expect((await login(known)).statusCode).toBe(429)
  })

  it.each([
    ['http://localhost:4000', /^parley_device=[\w.-]+; Max-Age=31536000; Path=\/; HttpOnly; SameSite=Lax$/],
    [
      'https://chat.example',
      /^__Host-parley_device=[\w.-]+; Max-Age=31536000; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    ],
  ])('at %s is restricted to this host and hidden from scripts', async (publicUrl, expected) => {
    const api = await startApi(db, { publicUrl })
    await api.register('ann')
    expect((await login(new WhisperClient(api, EMAIL))).headers['set-cookie']).toMatch(expected)
  })

  it('is set by both kinds of sign-in, and holds several accounts', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, EMAIL)
    await client.registerWithTotp()
    await api.register('bob')
    await client.send('POST /auth/login', { body: { email: 'bob@example.com', password: PASSWORD } })
    await client.signIn()
    for (let i = 0; i < 6; i++) {
      const attacker = new WhisperClient(api, EMAIL)
      await attacker.login()
      await attacker.verifyCode(WRONG)
    }
    await client.login()
    expect((await client.verifyCode(client.nextCode())).statusCode).toBe(200)
    const note = client.cookies.get('parley_device')!.split('.')[0]!
    expect(JSON.parse(Buffer.from(note, 'base64url').toString())).toHaveLength(2)
  })

  it('is not set by a failed sign-in', async () => {
    const api = await startApi(db)
    await api.register('ann')
    expect(
      (await login(new WhisperClient(api, EMAIL), { password: 'wrong' })).headers['set-cookie'],
    ).toBeUndefined()
  })
})

describe('wrong codes from unknown browsers', () => {
  /** An account whose five tries of this minute attackers have used up. */
  async function underAttack(api: TestApi) {
    const client = new WhisperClient(api, EMAIL)
    const codes = await client.registerWithTotp()
    api.clock.advance(MINUTE)
    const known = client.copy()
    await known.signIn()
    api.clock.advance(MINUTE)
    const attacker = new WhisperClient(api, EMAIL)
    await attacker.request('POST login/', { email: EMAIL }, { from: '198.51.100.1' })
    for (let i = 0; i < 5; i++) {
      expect((await attacker.verifyCode(WRONG, undefined, { from: `198.51.100.${i}` })).statusCode).toBe(401)
    }
    await client.login()
    return { client, known, codes }
  }

  it('lock out a new browser for a minute, but not one that signed in before', async () => {
    const api = await startApi(db, { rateLimits: false })
    const { client, known } = await underAttack(api)
    expect((await client.verifyCode(client.code())).statusCode).toBe(429)
    await known.login()
    expect((await known.verifyCode(client.code())).statusCode).toBe(200)
  })

  it('do not lock out recovery codes', async () => {
    const api = await startApi(db)
    const { client, codes } = await underAttack(api)
    expect((await client.verifyCode(codes[0]!)).statusCode).toBe(200)
  })

  it('do not lock out a browser that has verified the email', async () => {
    const api = await startApi(db)
    const { client } = await underAttack(api)
    await client.request('POST verify-email/begin/', { email: EMAIL })
    expect((await client.confirmEmail()).statusCode).toBe(200)
    expect((await client.verifyCode(client.code())).statusCode).toBe(200)
  })

  it('do not prevent beginning a sign-in', async () => {
    const api = await startApi(db)
    const attacker = new WhisperClient(api, EMAIL)
    const begin = (from: string) => attacker.request('POST login/', { email: EMAIL }, { from })
    for (let i = 0; i < 10; i++) expect((await begin('198.51.100.1')).statusCode).toBe(302)
    expect((await begin('198.51.100.1')).statusCode).toBe(429)
    expect((await begin(HOME)).statusCode).toBe(302)
  })
})

it('counts a password of a Whisper sign-in as a login', async () => {
  const api = await startApi(db)
  await api.register('ann')
  const attacker = new WhisperClient(api, EMAIL)
  await attacker.login()
  for (let i = 0; i < 10; i++) {
    if (i % 5 === 0) api.clock.advance(MINUTE / 3)
    await attacker.verifyCode(WRONG, 'wrong', { from: HOME })
  }
  expect((await login(attacker)).statusCode).toBe(429)
})
