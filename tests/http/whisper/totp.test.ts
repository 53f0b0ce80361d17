import type { Socket } from 'phoenix'
import { PNG } from 'pngjs'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { type SignedIn, startApi, type TestApi } from '../../support/api.ts'
import { openTestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { openSocket } from '../../support/phoenix.ts'
import { Phone } from '../../support/phone.ts'

let db: Database
beforeAll(async () => {
  db = await openTestDatabase()
})
afterAll(() => db.close())

const MINUTE = 60_000
const WRONG = '000000'
const SET_UP = [
  ['POST totp-device/create/', {}],
  ['POST qr-code/', {}],
  ['POST totp-device/verify/', { otp_token: WRONG }],
] as const

/** Someone who has proved their address and goes no further. */
async function proved(api: TestApi, name = 'ann'): Promise<Phone> {
  const phone = new Phone(api, `${name}@example.com`)
  await phone.register()
  await phone.prove()
  return phone
}

describe('setting an app up', () => {
  it.each(SET_UP)('is for nobody in particular without a proof: %s', async (line, body) => {
    const api = await startApi(db)
    await proved(api)
    const stranger = new Phone(api, 'ann@example.com')
    const response = await stranger.ask(line, { ...body, email: 'ann@example.com', user: 'ann@example.com' })
    expect(response.statusCode).toBe(401)
    expect(response.json().error.code).toBe('token_missing')
  })

  it.each(SET_UP)('is not for who only says whose address it is: %s', async (line, body) => {
    const api = await startApi(db)
    await proved(api)
    const [known, unknown] = [new Phone(api, 'ann@example.com'), new Phone(api, 'eve@example.com')]
    const answers = []
    for (const phone of [known, unknown]) {
      await phone.login()
      const response = await phone.ask(line, { ...body, email: 'ann@example.com' })
      answers.push([response.statusCode, response.body])
    }
    expect(answers[0]).toEqual([403, expect.stringContaining('email_not_proved')])
    expect(answers[1]).toEqual(answers[0])
  })

  it.each(SET_UP)('is no longer for who proved it but says otherwise since: %s', async (line, body) => {
    const api = await startApi(db)
    const phone = await proved(api)
    await phone.login()
    expect((await phone.ask(line, body)).statusCode).toBe(403)
  })

  it.each(SET_UP)('is for who has proved it within half an hour: %s', async (line, body) => {
    const api = await startApi(db)
    const phone = await proved(api)
    await phone.ask('POST totp-device/create/')
    api.clock.advance(30 * MINUTE - 1)
    expect((await phone.ask(line, body)).body).not.toContain('token_missing')
    api.clock.advance(1)
    const late = await phone.ask(line, body)
    expect([late.statusCode, late.json().error.code]).toEqual([401, 'token_missing'])
  })

  it.each(SET_UP)('is for who has a token, and a token beats the cookie: %s', async (line, body) => {
    const api = await startApi(db)
    const { auth_token: token } = await api.registerConfirmed('bob')
    const phone = await proved(api)
    await api.send('POST /api/v1/user/totp-device/create/', { token })
    await phone.ask('POST totp-device/create/')
    const bad = await phone.ask(line, body, { token: `${token}x` })
    expect([bad.statusCode, bad.json().error.code]).toEqual([401, 'token_invalid'])
    const good = await phone.ask('POST totp-device/create/', {}, { token })
    expect(good.json()).toMatchObject({ name: 'bob@example.com' })
    expect((await phone.scan({ token })).label).toBe('bob@example.com')
    expect((await phone.scan()).label).toBe('ann@example.com')
  })

  it('never takes the address from the body', async () => {
    const api = await startApi(db)
    await proved(api, 'bob')
    const phone = await proved(api)
    const body = { email: 'bob@example.com', user: 'bob@example.com', name: 'bob@example.com' }
    expect((await phone.ask('POST totp-device/create/', body)).json().name).toBe('ann@example.com')
    await phone.scan()
    const confirmed = await phone.ask('POST totp-device/verify/', { ...body, otp_token: phone.code() })
    expect(confirmed.json().name).toBe('ann@example.com')
    const bob = new Phone(api, 'bob@example.com')
    await bob.login()
    expect((await bob.give(phone.freshCode())).statusCode).toBe(401)
    const signIn = await phone.ask('POST totp/verify/', { ...body, otp_token: phone.freshCode() })
    expect(signIn.json().email).toBe('ann@example.com')
  })

  it('shows a QR code only between its begin and its end', async () => {
    const api = await startApi(db)
    const phone = await proved(api)
    const early = await phone.ask('POST qr-code/')
    expect([early.statusCode, early.json().error.code]).toEqual([404, 'totp_missing'])
    await phone.ask('POST totp-device/create/')
    const image = await phone.ask('POST qr-code/')
    expect(image.statusCode).toBe(200)
    expect(image.headers['content-type']).toBe('image/png')
    expect(image.headers['cache-control']).toBe('no-store')
    const { width, height } = PNG.sync.read(image.rawPayload)
    expect(width).toBe(height)
    await phone.scan()
    const { auth_token: token } = await passwordless(api, phone)
    const late = await phone.ask('POST qr-code/', {}, { token })
    expect([late.statusCode, late.json().error.code]).toEqual([409, 'totp_confirmed'])
  })

  it('can be begun again, as long as it is not confirmed', async () => {
    const api = await startApi(db)
    const phone = await proved(api)
    await phone.ask('POST totp-device/create/')
    const first = (await phone.scan()).secret.base32
    const outdated = phone.code()
    expect((await phone.ask('POST totp-device/create/')).statusCode).toBe(201)
    expect((await phone.scan()).secret.base32).not.toBe(first)
    const wrong = await phone.ask('POST totp-device/verify/', { otp_token: outdated })
    expect([wrong.statusCode, wrong.json().error.code]).toEqual([401, 'otp_invalid'])
    const { auth_token: token } = await passwordless(api, phone)
    const again = await phone.ask('POST totp-device/create/', {}, { token })
    expect([again.statusCode, again.json().error.code]).toEqual([409, 'totp_confirmed'])
  })

  it('ends the proof: after it, only a code leads further', async () => {
    const api = await startApi(db)
    const phone = await proved(api)
    await phone.setUp()
    expect((await phone.ask('POST totp-device/create/')).statusCode).toBe(403)
    expect((await phone.give(phone.freshCode())).statusCode).toBe(200)
  })

  it('is confirmed by six digits of the app alone', async () => {
    const api = await startApi(db)
    const phone = await proved(api)
    await phone.ask('POST totp-device/create/')
    await phone.scan()
    for (const otp_token of ['', WRONG, '12345', 'x'.repeat(1_000)]) {
      expect((await phone.ask('POST totp-device/verify/', { otp_token })).statusCode).toBe(401)
    }
    for (const body of [{}, { otp_token: 123456 }, { otp_token: null }, { otp_token: ['123456'] }]) {
      const response = await phone.ask('POST totp-device/verify/', body)
      expect(response.statusCode).toBe(422)
      expect(Object.keys(response.json().errors)).toEqual(['otp_token'])
    }
    expect((await phone.ask('POST totp-device/verify/', { otp_token: phone.code() })).statusCode).toBe(200)
  })

  it('gives a user with a password the second factor, in the session they are in', async () => {
    const api = await startApi(db)
    const here = await api.registerConfirmed('ann')
    const there = (await api.login('ann')).json<SignedIn>()
    const phone = new Phone(api, 'ann@example.com')
    const codes = await phone.setUp({ token: here.auth_token })
    expect(codes).toHaveLength(10)
    expect((await api.send('GET /api/users', { token: here.auth_token })).statusCode).toBe(200)
    expect((await api.send('GET /api/users', { token: there.auth_token })).statusCode).toBe(401)
    const refresh = { token: there.refresh_token }
    expect((await api.send('POST /auth/refresh', { body: refresh })).statusCode).toBe(400)
    expect(phone.cookies.size).toBe(0)
  })

  it("closes the sockets of the user's other sessions", async () => {
    const api = await startApi(db)
    const url = (await api.app.listen()).replace('http', 'ws')
    const here = await api.registerConfirmed('ann')
    const there = (await api.login('ann')).json<SignedIn>()
    const [mine, other] = await Promise.all([here, there].map(({ auth_token }) => connect(url, auth_token)))
    await new Phone(api, 'ann@example.com').setUp({ token: here.auth_token })
    await eventually(() => expect(other!.closed).toEqual([1001]))
    expect(mine!.closed).toEqual([])
    expect(mine!.socket.isConnected()).toBe(true)
  })
})

describe('DELETE /api/v1/user/totp-device/', () => {
  it('removes the app, with a code of it', async () => {
    const api = await startApi(db)
    const phone = new Phone(api, 'ann@example.com')
    await phone.enrol()
    const { access: token } = await phone.signIn()
    const otp_token = phone.freshCode()
    const response = await api.send('DELETE /api/v1/user/totp-device/', { token, body: { otp_token } })
    expect([response.statusCode, response.body]).toEqual([204, ''])
    await phone.login()
    expect((await phone.give(phone.freshCode())).statusCode).toBe(401)
    const again = await api.send('DELETE /api/v1/user/totp-device/', { token, body: { otp_token } })
    expect([again.statusCode, again.json().error.code]).toEqual([404, 'totp_missing'])
  })

  it('takes a recovery code, for who has lost the app', async () => {
    const api = await startApi(db)
    const phone = new Phone(api, 'ann@example.com')
    const [first, second] = (await phone.enrol()) as [string, string]
    await phone.signIn(first)
    expect((await phone.ask('DELETE totp-device/', { otp_token: first })).statusCode).toBe(401)
    expect((await phone.ask('DELETE totp-device/', { otp_token: second })).statusCode).toBe(204)
  })

  it('refuses a wrong code, a used one, and none', async () => {
    const api = await startApi(db)
    const phone = new Phone(api, 'ann@example.com')
    await phone.enrol()
    await phone.signIn()
    for (const otp_token of [WRONG, phone.code()]) {
      const response = await phone.ask('DELETE totp-device/', { otp_token })
      expect([response.statusCode, response.json().error.code]).toEqual([401, 'otp_invalid'])
    }
    expect((await phone.ask('DELETE totp-device/', {})).statusCode).toBe(422)
    expect((await phone.ask('POST totp-device/create/')).statusCode).toBe(409)
  })

  it('is not for who is not signed in, even with an address proved', async () => {
    const api = await startApi(db)
    const phone = new Phone(api, 'ann@example.com')
    await phone.enrol()
    for (const name of ['nobody', 'claimed']) {
      if (name === 'claimed') await phone.login()
      const response = await phone.ask('DELETE totp-device/', { otp_token: phone.freshCode() })
      expect([response.statusCode, response.json().error.code], name).toEqual([401, 'token_missing'])
    }
    const bob = await proved(api, 'bob')
    expect((await bob.ask('DELETE totp-device/', { otp_token: WRONG })).statusCode).toBe(401)
  })

  it('lets the user set another app up, in the session they are in or by email', async () => {
    const api = await startApi(db)
    const phone = new Phone(api, 'ann@example.com')
    await phone.enrol()
    await phone.signIn()
    await phone.ask('DELETE totp-device/', { otp_token: phone.freshCode() })
    await phone.setUp()
    await phone.ask('DELETE totp-device/', { otp_token: phone.freshCode() })
    const other = new Phone(api, 'ann@example.com')
    await other.ask('POST verify-email/begin/', { email: other.email })
    await other.prove()
    await other.setUp()
    expect((await other.signIn()).email).toBe('ann@example.com')
  })
})

/** Confirms what the phone has scanned. @returns a token of its user. */
async function passwordless(api: TestApi, phone: Phone): Promise<{ auth_token: string }> {
  const confirmed = await phone.ask('POST totp-device/verify/', { otp_token: phone.code() })
  expect(confirmed.statusCode).toBe(200)
  api.clock.advance(30_000)
  const { access } = await phone.copy().signIn()
  return { auth_token: access }
}

async function connect(url: string, token: string): Promise<{ socket: Socket; closed: number[] }> {
  const socket = openSocket(`${url}/socket`, { token })
  onTestFinished(() => socket.disconnect())
  const closed: number[] = []
  socket.onClose((event) => {
    closed.push((event as { code: number }).code)
    socket.disconnect()
  })
  await eventually(() => expect(socket.isConnected()).toBe(true))
  return { socket, closed }
}
