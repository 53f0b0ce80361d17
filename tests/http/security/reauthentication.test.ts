import type { LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { PASSWORD, type SignedIn, startApi, type TestApi } from '../../support/api.ts'
import { openTestDatabase } from '../../support/database.ts'
import { Phone, readQrCode } from '../../support/phone.ts'

let db: Database
beforeAll(async () => {
  db = await openTestDatabase()
})
afterAll(() => db.close())

const MINUTE = 60_000
const WRONG = '000000'
const FACTORS = [
  ['POST totp-device/create/', {}],
  ['POST qr-code/', {}],
  ['POST totp-device/verify/', { otp_token: WRONG }],
  ['DELETE totp-device/', { otp_token: WRONG }],
  ['POST totp-device/recovery-codes/', { otp_token: WRONG }],
] as const

function failure(response: LightMyRequestResponse): [number, string] {
  return [response.statusCode, response.json().error.code]
}

/** Someone with a password, a confirmed address and an app. */
async function withBoth(api: TestApi) {
  const person = await api.registerConfirmed('ann')
  const phone = new Phone(api, 'ann@example.com')
  const codes = await phone.setUp({ token: person.auth_token })
  api.clock.advance(MINUTE)
  return { person, phone, codes }
}

/** The subjects of the emails to an address, oldest first. */
async function subjects(api: TestApi, to = 'ann@example.com'): Promise<string[]> {
  return (await api.emails())
    .filter((one) => one.to === to)
    .map(({ subject }) => subject)
    .toReversed()
}

describe('a stolen access token', () => {
  it.each(FACTORS)('changes no factor ten minutes after the sign-in: %s', async (line, body) => {
    const api = await startApi(db)
    const { auth_token: token } = await api.registerConfirmed('ann')
    const thief = new Phone(api, 'ann@example.com')
    api.clock.advance(10 * MINUTE)
    expect(failure(await thief.ask(line, body, { token }))).toEqual([403, 'reauthentication_required'])
  })

  it('is no younger for a refresh', async () => {
    const api = await startApi(db)
    const { refresh_token } = await api.registerConfirmed('ann')
    api.clock.advance(10 * MINUTE)
    const refreshed = await api.send('POST /auth/refresh', { body: { token: refresh_token } })
    const { auth_token: token } = refreshed.json<SignedIn>()
    const thief = new Phone(api, 'ann@example.com')
    const response = await thief.ask('POST totp-device/create/', {}, { token })
    expect(failure(response)).toEqual([403, 'reauthentication_required'])
  })

  it('is enough until then', async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.registerConfirmed('ann')
    api.clock.advance(10 * MINUTE - 1)
    expect(await new Phone(api, 'ann@example.com').setUp({ token })).toHaveLength(10)
  })
})

it.each(FACTORS)('changes no factor of an address that is not confirmed: %s', async (line, body) => {
  const api = await startApi(db)
  const { auth_token: token } = await api.register('ann')
  const response = await new Phone(api, 'ann@example.com').ask(line, body, { token })
  expect(failure(response)).toEqual([403, 'email_not_proved'])
})

describe('a verified email', () => {
  it.each(FACTORS.slice(0, 3))('sets nothing up where there is a password: %s', async (line, body) => {
    const api = await startApi(db)
    await api.registerConfirmed('ann')
    const phone = new Phone(api, 'ann@example.com')
    await phone.ask('POST verify-email/begin/', { email: phone.email })
    expect((await phone.prove()).statusCode).toBe(200)
    expect(failure(await phone.ask(line, body))).toEqual([403, 'reauthentication_required'])
  })

  it('confirms no app after a password was set', async () => {
    const api = await startApi(db)
    const phone = new Phone(api, 'ann@example.com')
    await phone.register()
    await phone.prove()
    await phone.ask('POST totp-device/create/')
    await phone.scan()
    await api.send('POST /auth/password/request', { body: { email: phone.email } })
    const token = await api.tokenOfEmail(phone.email)
    const body = { token, new_password: PASSWORD, new_password_confirmation: PASSWORD }
    expect((await api.send('POST /auth/password/reset', { body })).statusCode).toBe(204)
    const late = await phone.ask('POST totp-device/verify/', { otp_token: phone.code() })
    expect(failure(late)).toEqual([403, 'reauthentication_required'])
  })

  it('sets an app up once, even when its cookie was copied', async () => {
    const api = await startApi(db)
    const phone = new Phone(api, 'ann@example.com')
    await phone.register()
    await phone.prove()
    const copy = phone.copy()
    await phone.setUp()
    await phone.signIn()
    await phone.ask('DELETE totp-device/', { otp_token: phone.freshCode() })
    expect(failure(await copy.ask('POST totp-device/create/'))).toEqual([403, 'email_not_proved'])
  })
})

describe('the secret of an app that is being set up', () => {
  it('is shown to no other browser that has verified the email', async () => {
    const api = await startApi(db)
    const [one, other] = [new Phone(api, 'ann@example.com'), new Phone(api, 'ann@example.com')]
    await one.register()
    await one.prove()
    api.clock.advance(MINUTE)
    await other.ask('POST verify-email/begin/', { email: other.email })
    await other.prove()
    await one.ask('POST totp-device/create/')
    expect(failure(await other.ask('POST qr-code/'))).toEqual([404, 'totp_missing'])
    expect(failure(await other.send('POST /whisper/two-factor/key', { body: {} }))).toEqual([
      404,
      'totp_missing',
    ])
    await one.scan()
    const stolen = await other.ask('POST totp-device/verify/', { otp_token: one.code() })
    expect(failure(stolen)).toEqual([404, 'totp_missing'])
    expect((await one.ask('POST totp-device/verify/', { otp_token: one.code() })).statusCode).toBe(200)
  })

  it('is shown to no other session', async () => {
    const api = await startApi(db)
    const here = await api.registerConfirmed('ann')
    const there = (await api.login('ann')).json<SignedIn>()
    const phone = new Phone(api, 'ann@example.com')
    await phone.ask('POST totp-device/create/', {}, { token: here.auth_token })
    const seen = await phone.ask('POST qr-code/', {}, { token: there.auth_token })
    expect(failure(seen)).toEqual([404, 'totp_missing'])
    const mine = await phone.ask('POST qr-code/', {}, { token: here.auth_token })
    expect(readQrCode(mine.rawPayload)).toMatch(/^otpauth:/)
  })
})

describe('Whisper, to an account with a password', () => {
  it('needs the password and the code', async () => {
    const api = await startApi(db)
    const { phone } = await withBoth(api)
    await phone.login()
    expect(failure(await phone.give(phone.code(), 'another password'))).toEqual([401, 'otp_invalid'])
    expect(failure(await phone.give(WRONG, PASSWORD))).toEqual([401, 'otp_invalid'])
    expect(failure(await phone.give(WRONG))).toEqual([401, 'otp_invalid'])
    expect((await phone.give(phone.code(), PASSWORD)).statusCode).toBe(200)
  })

  it('tells that a password is missing to who has a right code, which stays good', async () => {
    const api = await startApi(db)
    const { phone, codes } = await withBoth(api)
    await phone.login()
    for (const code of [phone.code(), codes[0]!]) {
      expect(failure(await phone.give(code))).toEqual([401, 'password_required'])
    }
    expect((await phone.give(phone.code(), PASSWORD)).statusCode).toBe(200)
    await phone.login()
    expect((await phone.give(codes[0]!, PASSWORD)).statusCode).toBe(200)
  })

  it('takes the password alone where there is no app', async () => {
    const api = await startApi(db)
    await api.registerConfirmed('ann')
    const phone = new Phone(api, 'ann@example.com')
    await phone.login()
    expect(failure(await phone.give(WRONG, 'another password'))).toEqual([401, 'otp_invalid'])
    expect(failure(await phone.give(WRONG))).toEqual([401, 'otp_invalid'])
    expect((await phone.ask('POST totp/verify/', { password: PASSWORD })).statusCode).toBe(200)
    expect(await phone.setUp()).toHaveLength(10)
  })

  it('answers the same whatever is wrong, and whoever it is', async () => {
    const api = await startApi(db)
    const { phone } = await withBoth(api)
    await api.register('password')
    const passwordless = new Phone(api, 'passwordless@example.com')
    await passwordless.enrol()
    const names = ['password', 'passwordless', 'nobody']
    const answers = []
    for (const one of [phone, ...names.map((name) => new Phone(api, `${name}@example.com`))]) {
      await one.login()
      for (const password of [undefined, 'another password']) {
        const { statusCode, body } = await one.give(WRONG, password)
        answers.push([statusCode, body])
      }
    }
    for (const answer of answers) expect(answer).toEqual(answers[0])
  })
})

it('keeps the app through a password reset, at both doors', async () => {
  const api = await startApi(db)
  const { phone } = await withBoth(api)
  await api.send('POST /auth/password/request', { body: { email: phone.email } })
  const token = await api.tokenOfEmail(phone.email)
  const password = 'a wholly different sentence'
  const body = { token, new_password: password, new_password_confirmation: password }
  expect((await api.send('POST /auth/password/reset', { body })).statusCode).toBe(204)
  expect(failure(await api.login('ann', password))).toEqual([401, 'totp_required'])
  await phone.login()
  expect(failure(await phone.give('', password))).toEqual([401, 'otp_invalid'])
  expect((await phone.give(phone.freshCode(), password)).statusCode).toBe(200)
})

describe('POST /api/v1/user/totp-device/recovery-codes/', () => {
  it('makes new codes and voids the earlier ones', async () => {
    const api = await startApi(db)
    const phone = new Phone(api, 'ann@example.com')
    const [before] = await phone.enrol()
    await phone.signIn()
    const response = await phone.ask('POST totp-device/recovery-codes/', { otp_token: phone.freshCode() })
    expect(response.statusCode).toBe(200)
    const { recovery_codes: codes } = response.json()
    expect(codes).toHaveLength(10)
    await phone.login()
    expect((await phone.give(before!)).statusCode).toBe(401)
    expect((await phone.give(codes[0])).statusCode).toBe(200)
  })

  it('needs a code', async () => {
    const api = await startApi(db)
    const phone = new Phone(api, 'ann@example.com')
    await phone.enrol()
    await phone.signIn()
    const line = 'POST totp-device/recovery-codes/'
    expect(failure(await phone.ask(line, { otp_token: phone.code() }))).toEqual([401, 'otp_invalid'])
  })
})

it('tells the owner and the security log of every change of the app and its codes', async () => {
  const api = await startApi(db)
  const phone = new Phone(api, 'ann@example.com')
  const codes = await phone.enrol()
  await phone.signIn(codes[0])
  await phone.ask('POST totp-device/recovery-codes/', { otp_token: phone.freshCode() })
  await phone.ask('DELETE totp-device/', { otp_token: phone.freshCode() }, { from: '192.0.2.9' })
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
