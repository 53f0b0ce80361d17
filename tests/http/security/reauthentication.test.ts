import type { LightMyRequestResponse } from 'fastify'
import { describe, expect, it } from 'vitest'
import { PASSWORD, type SignedIn, startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { FACTOR_REQUESTS, SET_UP_REQUESTS, WRONG_CODE } from '../../support/totp-requests.ts'
import { readQrCode, WhisperClient } from '../../support/whisper-client.ts'

const db = setUpDatabase()

const MINUTE = 60_000

function failure(response: LightMyRequestResponse): [number, string] {
  return [response.statusCode, response.json().error.code]
}

/** An account with a password, a confirmed address and an app. */
async function accountWithPasswordAndApp(api: TestApi) {
  const person = await api.registerConfirmed('ann')
  const client = new WhisperClient(api, 'ann@example.com')
  const codes = await client.setUpTotp({ token: person.auth_token })
  api.clock.advance(MINUTE)
  return { person, client, codes }
}

/** The subjects of the emails to an address, oldest first. */
async function subjects(api: TestApi, to = 'ann@example.com'): Promise<string[]> {
  return (await api.emails())
    .filter((one) => one.to === to)
    .map(({ subject }) => subject)
    .toReversed()
}

describe('a stolen access token', () => {
  it.each(FACTOR_REQUESTS)('cannot change factors ten minutes after the sign-in: %s', async (line, body) => {
    const api = await startApi(db)
    const { auth_token: token } = await api.registerConfirmed('ann')
    const thief = new WhisperClient(api, 'ann@example.com')
    api.clock.advance(10 * MINUTE)
    expect(failure(await thief.request(line, body, { token }))).toEqual([403, 'reauthentication_required'])
  })

  it('is not renewed by a refresh', async () => {
    const api = await startApi(db)
    const { refresh_token } = await api.registerConfirmed('ann')
    api.clock.advance(10 * MINUTE)
    const refreshed = await api.send('POST /auth/refresh', { body: { token: refresh_token } })
    const { auth_token: token } = refreshed.json<SignedIn>()
    const thief = new WhisperClient(api, 'ann@example.com')
    const response = await thief.request('POST totp-device/create/', {}, { token })
    expect(failure(response)).toEqual([403, 'reauthentication_required'])
  })

  it('can change factors until then', async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.registerConfirmed('ann')
    api.clock.advance(10 * MINUTE - 1)
    expect(await new WhisperClient(api, 'ann@example.com').setUpTotp({ token })).toHaveLength(10)
  })
})

it.each(FACTOR_REQUESTS)('an unconfirmed account cannot change its factors: %s', async (line, body) => {
  const api = await startApi(db)
  const { auth_token: token } = await api.register('ann')
  const response = await new WhisperClient(api, 'ann@example.com').request(line, body, { token })
  expect(failure(response)).toEqual([403, 'email_not_proved'])
})

describe('a verified email', () => {
  it.each(SET_UP_REQUESTS)('cannot set up an app for an account with a password: %s', async (line, body) => {
    const api = await startApi(db)
    await api.registerConfirmed('ann')
    const client = new WhisperClient(api, 'ann@example.com')
    await client.request('POST verify-email/begin/', { email: client.email })
    expect((await client.confirmEmail()).statusCode).toBe(200)
    expect(failure(await client.request(line, body))).toEqual([403, 'reauthentication_required'])
  })

  it('cannot confirm an app after a password was set', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.register()
    await client.confirmEmail()
    await client.request('POST totp-device/create/')
    await client.scanQrCode()
    await api.send('POST /auth/password/request', { body: { email: client.email } })
    const token = await api.tokenOfEmail(client.email)
    const body = { token, new_password: PASSWORD, new_password_confirmation: PASSWORD }
    expect((await api.send('POST /auth/password/reset', { body })).statusCode).toBe(204)
    const late = await client.request('POST totp-device/verify/', { otp_token: client.code() })
    expect(failure(late)).toEqual([403, 'reauthentication_required'])
  })

  it('can be used to set up an app once, also when its cookie was copied', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.register()
    await client.confirmEmail()
    const copy = client.copy()
    await client.setUpTotp()
    await client.signIn()
    await client.request('DELETE totp-device/', { otp_token: client.nextCode() })
    expect(failure(await copy.request('POST totp-device/create/'))).toEqual([403, 'email_not_proved'])
  })
})

describe('the secret of an unconfirmed app', () => {
  it('is hidden from another browser with the verified email', async () => {
    const api = await startApi(db)
    const [one, other] = [
      new WhisperClient(api, 'ann@example.com'),
      new WhisperClient(api, 'ann@example.com'),
    ]
    await one.register()
    await one.confirmEmail()
    api.clock.advance(MINUTE)
    await other.request('POST verify-email/begin/', { email: other.email })
    await other.confirmEmail()
    await one.request('POST totp-device/create/')
    expect(failure(await other.request('POST qr-code/'))).toEqual([404, 'totp_missing'])
    expect(failure(await other.send('POST /whisper/two-factor/key', { body: {} }))).toEqual([
      404,
      'totp_missing',
    ])
    await one.scanQrCode()
    const stolen = await other.request('POST totp-device/verify/', { otp_token: one.code() })
    expect(failure(stolen)).toEqual([404, 'totp_missing'])
    expect((await one.request('POST totp-device/verify/', { otp_token: one.code() })).statusCode).toBe(200)
  })

  it('is hidden from other sessions', async () => {
    const api = await startApi(db)
    const here = await api.registerConfirmed('ann')
    const there = (await api.login('ann')).json<SignedIn>()
    const client = new WhisperClient(api, 'ann@example.com')
    await client.request('POST totp-device/create/', {}, { token: here.auth_token })
    const seen = await client.request('POST qr-code/', {}, { token: there.auth_token })
    expect(failure(seen)).toEqual([404, 'totp_missing'])
    const mine = await client.request('POST qr-code/', {}, { token: here.auth_token })
    expect(readQrCode(mine.rawPayload)).toMatch(/^otpauth:/)
  })
})

describe('a Whisper sign-in to an account with a password', () => {
  it('requires the password and the code', async () => {
    const api = await startApi(db)
    const { client } = await accountWithPasswordAndApp(api)
    await client.login()
    expect(failure(await client.verifyCode(client.code(), 'another password'))).toEqual([401, 'otp_invalid'])
    expect(failure(await client.verifyCode(WRONG_CODE, PASSWORD))).toEqual([401, 'otp_invalid'])
    expect(failure(await client.verifyCode(WRONG_CODE))).toEqual([401, 'otp_invalid'])
    expect((await client.verifyCode(client.code(), PASSWORD)).statusCode).toBe(200)
  })

  it('reports a missing password after a right code, which stays valid', async () => {
    const api = await startApi(db)
    const { client, codes } = await accountWithPasswordAndApp(api)
    await client.login()
    for (const code of [client.code(), codes[0]!]) {
      expect(failure(await client.verifyCode(code))).toEqual([401, 'password_required'])
    }
    expect((await client.verifyCode(client.code(), PASSWORD)).statusCode).toBe(200)
    await client.login()
    expect((await client.verifyCode(codes[0]!, PASSWORD)).statusCode).toBe(200)
  })

  it('requires only the password without an app', async () => {
    const api = await startApi(db)
    await api.registerConfirmed('ann')
    const client = new WhisperClient(api, 'ann@example.com')
    await client.login()
    expect(failure(await client.verifyCode(WRONG_CODE, 'another password'))).toEqual([401, 'otp_invalid'])
    expect(failure(await client.verifyCode(WRONG_CODE))).toEqual([401, 'otp_invalid'])
    expect((await client.request('POST totp/verify/', { password: PASSWORD })).statusCode).toBe(200)
    expect(await client.setUpTotp()).toHaveLength(10)
  })

  it('responds identically whatever is wrong, with and without an account', async () => {
    const api = await startApi(db)
    const { client } = await accountWithPasswordAndApp(api)
    await api.register('password')
    const passwordless = new WhisperClient(api, 'passwordless@example.com')
    await passwordless.registerWithTotp()
    const names = ['password', 'passwordless', 'nobody']
    const responses = []
    for (const one of [client, ...names.map((name) => new WhisperClient(api, `${name}@example.com`))]) {
      await one.login()
      for (const password of [undefined, 'another password']) {
        const { statusCode, body } = await one.verifyCode(WRONG_CODE, password)
        responses.push([statusCode, body])
      }
    }
    for (const response of responses) expect(response).toEqual(responses[0])
  })
})

it('still requires the app after a password reset, for both kinds of sign-in', async () => {
  const api = await startApi(db)
  const { client } = await accountWithPasswordAndApp(api)
  await api.send('POST /auth/password/request', { body: { email: client.email } })
  const token = await api.tokenOfEmail(client.email)
  const password = 'a wholly different sentence'
  const body = { token, new_password: password, new_password_confirmation: password }
  expect((await api.send('POST /auth/password/reset', { body })).statusCode).toBe(204)
  expect(failure(await api.login('ann', password))).toEqual([401, 'totp_required'])
  await client.login()
  expect(failure(await client.verifyCode('', password))).toEqual([401, 'otp_invalid'])
  expect((await client.verifyCode(client.nextCode(), password)).statusCode).toBe(200)
})

describe('POST /api/v1/user/totp-device/recovery-codes/', () => {
  it('returns new codes and voids the earlier ones', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    const [before] = await client.registerWithTotp()
    await client.signIn()
    const response = await client.request('POST totp-device/recovery-codes/', {
      otp_token: client.nextCode(),
    })
    expect(response.statusCode).toBe(200)
    const { recovery_codes: codes } = response.json()
    expect(codes).toHaveLength(10)
    await client.login()
    expect((await client.verifyCode(before!)).statusCode).toBe(401)
    expect((await client.verifyCode(codes[0])).statusCode).toBe(200)
  })

  it('requires a code', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.registerWithTotp()
    await client.signIn()
    const line = 'POST totp-device/recovery-codes/'
    expect(failure(await client.request(line, { otp_token: client.code() }))).toEqual([401, 'otp_invalid'])
  })
})

it('notifies the owner and logs every change of the app and its codes', async () => {
  const api = await startApi(db)
  const client = new WhisperClient(api, 'ann@example.com')
  const codes = await client.registerWithTotp()
  await client.signIn(codes[0])
  await client.request('POST totp-device/recovery-codes/', { otp_token: client.nextCode() })
  await client.request('DELETE totp-device/', { otp_token: client.nextCode() }, { from: '192.0.2.9' })
  expect((await subjects(api)).slice(1)).toEqual([
    'An authenticator app was added',
    'A recovery code was used',
    'Your recovery codes were replaced',
    'Your authenticator app was removed',
  ])
  expect((await api.emails())[0]!.text).toContain('from the network address 192.0.2.9.')
  const kinds = api.log.lines.map(({ security }) => security).filter(Boolean)
  const expected = [
    'totp_enrolled',
    'recovery_code_used',
    'sign_in',
    'totp_used',
    'recovery_codes_replaced',
    'totp_used',
    'totp_removed',
  ]
  expect(kinds.filter((kind) => expected.includes(kind as string))).toEqual(expected)
})
