import type { Socket } from 'phoenix'
import { PNG } from 'pngjs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type SignedIn, startApi, type TestApi } from '../../support/api.ts'
import { eventually } from '../../support/eventually.ts'
import { openSocket } from '../../support/phoenix.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { SET_UP_REQUESTS, WRONG_CODE } from '../../support/totp-requests.ts'
import { WhisperClient } from '../../support/whisper-client.ts'

const db = setUpDatabase()

const MINUTE = 60_000

/** A client with a verified email and no app. */
async function verifiedClient(api: TestApi, name = 'ann'): Promise<WhisperClient> {
  const client = new WhisperClient(api, `${name}@example.com`)
  await client.register()
  await client.confirmEmail()
  return client
}

describe('setting up an authenticator app', () => {
  it.each(SET_UP_REQUESTS)('requires authentication: %s', async (line, body) => {
    const api = await startApi(db)
    await verifiedClient(api)
    const unknownBrowser = new WhisperClient(api, 'ann@example.com')
    const response = await unknownBrowser.request(line, {
      ...body,
      email: 'ann@example.com',
      user: 'ann@example.com',
    })
    expect(response.statusCode).toBe(401)
    expect(response.json().error.code).toBe('token_missing')
  })

  it.each(SET_UP_REQUESTS)('is rejected with an unverified email: %s', async (line, body) => {
    const api = await startApi(db)
    await verifiedClient(api)
    const [known, unknown] = [
      new WhisperClient(api, 'ann@example.com'),
      new WhisperClient(api, 'eve@example.com'),
    ]
    const responses = []
    for (const client of [known, unknown]) {
      await client.login()
      const response = await client.request(line, { ...body, email: 'ann@example.com' })
      responses.push([response.statusCode, response.body])
    }
    expect(responses[0]).toEqual([403, expect.stringContaining('email_not_proved')])
    expect(responses[1]).toEqual(responses[0])
  })

  it.each(SET_UP_REQUESTS)(
    'is rejected when the verified email was replaced by an unverified one: %s',
    async (line, body) => {
      const api = await startApi(db)
      const client = await verifiedClient(api)
      await client.login()
      expect((await client.request(line, body)).statusCode).toBe(403)
    },
  )

  it.each(SET_UP_REQUESTS)(
    'is allowed for half an hour after an email verification: %s',
    async (line, body) => {
      const api = await startApi(db)
      const client = await verifiedClient(api)
      await client.request('POST totp-device/create/')
      api.clock.advance(30 * MINUTE - 1)
      expect((await client.request(line, body)).body).not.toContain('token_missing')
      api.clock.advance(1)
      const late = await client.request(line, body)
      expect([late.statusCode, late.json().error.code]).toEqual([401, 'token_missing'])
    },
  )

  it.each(SET_UP_REQUESTS)(
    'is allowed with an access token, which takes precedence over the cookie: %s',
    async (line, body) => {
      const api = await startApi(db)
      const { auth_token: token } = await api.registerConfirmed('bob')
      const client = await verifiedClient(api)
      await api.send('POST /api/v1/user/totp-device/create/', { token })
      await client.request('POST totp-device/create/')
      const bad = await client.request(line, body, { token: `${token}x` })
      expect([bad.statusCode, bad.json().error.code]).toEqual([401, 'token_invalid'])
      const good = await client.request('POST totp-device/create/', {}, { token })
      expect(good.json()).toMatchObject({ name: 'bob@example.com' })
      expect((await client.scanQrCode({ token })).label).toBe('bob@example.com')
      expect((await client.scanQrCode()).label).toBe('ann@example.com')
    },
  )

  it('ignores an address in the body', async () => {
    const api = await startApi(db)
    await verifiedClient(api, 'bob')
    const client = await verifiedClient(api)
    const body = { email: 'bob@example.com', user: 'bob@example.com', name: 'bob@example.com' }
    expect((await client.request('POST totp-device/create/', body)).json().name).toBe('ann@example.com')
    await client.scanQrCode()
    const confirmed = await client.request('POST totp-device/verify/', { ...body, otp_token: client.code() })
    expect(confirmed.json().name).toBe('ann@example.com')
    const bob = new WhisperClient(api, 'bob@example.com')
    await bob.login()
    expect((await bob.verifyCode(client.nextCode())).statusCode).toBe(401)
    const signIn = await client.request('POST totp/verify/', { ...body, otp_token: client.nextCode() })
    expect(signIn.json().email).toBe('ann@example.com')
  })

  it('returns a QR code only while the app is unconfirmed', async () => {
    const api = await startApi(db)
    const client = await verifiedClient(api)
    const early = await client.request('POST qr-code/')
    expect([early.statusCode, early.json().error.code]).toEqual([404, 'totp_missing'])
    await client.request('POST totp-device/create/')
    const image = await client.request('POST qr-code/')
    expect(image.statusCode).toBe(200)
    expect(image.headers['content-type']).toBe('image/png')
    expect(image.headers['cache-control']).toBe('no-store')
    const { width, height } = PNG.sync.read(image.rawPayload)
    expect(width).toBe(height)
    await client.scanQrCode()
    const { auth_token: token } = await passwordless(api, client)
    const late = await client.request('POST qr-code/', {}, { token })
    expect([late.statusCode, late.json().error.code]).toEqual([409, 'totp_confirmed'])
  })

  it('can be restarted until the app is confirmed', async () => {
    const api = await startApi(db)
    const client = await verifiedClient(api)
    await client.request('POST totp-device/create/')
    const first = (await client.scanQrCode()).secret.base32
    const outdated = client.code()
    expect((await client.request('POST totp-device/create/')).statusCode).toBe(201)
    expect((await client.scanQrCode()).secret.base32).not.toBe(first)
    const wrong = await client.request('POST totp-device/verify/', { otp_token: outdated })
    expect([wrong.statusCode, wrong.json().error.code]).toEqual([401, 'otp_invalid'])
    const { auth_token: token } = await passwordless(api, client)
    const again = await client.request('POST totp-device/create/', {}, { token })
    expect([again.statusCode, again.json().error.code]).toEqual([409, 'totp_confirmed'])
  })

  it('consumes the verified email: the next step requires a code', async () => {
    const api = await startApi(db)
    const client = await verifiedClient(api)
    await client.setUpTotp()
    expect((await client.request('POST totp-device/create/')).statusCode).toBe(403)
    expect((await client.verifyCode(client.nextCode())).statusCode).toBe(200)
  })

  it('requires a right code of six digits', async () => {
    const api = await startApi(db)
    const client = await verifiedClient(api)
    await client.request('POST totp-device/create/')
    await client.scanQrCode()
    for (const otp_token of ['', WRONG_CODE, '12345', 'x'.repeat(1_000)]) {
      expect((await client.request('POST totp-device/verify/', { otp_token })).statusCode).toBe(401)
    }
    for (const body of [{}, { otp_token: 123456 }, { otp_token: null }, { otp_token: ['123456'] }]) {
      const response = await client.request('POST totp-device/verify/', body)
      expect(response.statusCode).toBe(422)
      expect(Object.keys(response.json().errors)).toEqual(['otp_token'])
    }
    expect((await client.request('POST totp-device/verify/', { otp_token: client.code() })).statusCode).toBe(
      200,
    )
  })

  it('adds a second factor to an account with a password, and keeps only the current session', async () => {
    const api = await startApi(db)
    const here = await api.registerConfirmed('ann')
    const there = (await api.login('ann')).json<SignedIn>()
    const client = new WhisperClient(api, 'ann@example.com')
    const codes = await client.setUpTotp({ token: here.auth_token })
    expect(codes).toHaveLength(10)
    expect((await api.send('GET /api/users', { token: here.auth_token })).statusCode).toBe(200)
    expect((await api.send('GET /api/users', { token: there.auth_token })).statusCode).toBe(401)
    const refresh = { token: there.refresh_token }
    expect((await api.send('POST /auth/refresh', { body: refresh })).statusCode).toBe(400)
    expect(client.cookies.size).toBe(0)
  })

  it("closes the sockets of the user's other sessions", async () => {
    const api = await startApi(db)
    const url = (await api.app.listen()).replace('http', 'ws')
    const here = await api.registerConfirmed('ann')
    const there = (await api.login('ann')).json<SignedIn>()
    const [mine, other] = await Promise.all([here, there].map(({ auth_token }) => connect(url, auth_token)))
    await new WhisperClient(api, 'ann@example.com').setUpTotp({ token: here.auth_token })
    await eventually(() => expect(other!.closed).toEqual([1001]))
    expect(mine!.closed).toEqual([])
    expect(mine!.socket.isConnected()).toBe(true)
  })
})

describe('DELETE /api/v1/user/totp-device/', () => {
  it('removes the app with a code', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.registerWithTotp()
    const { access: token } = await client.signIn()
    const otp_token = client.nextCode()
    const response = await api.send('DELETE /api/v1/user/totp-device/', { token, body: { otp_token } })
    expect([response.statusCode, response.body]).toEqual([204, ''])
    await client.login()
    expect((await client.verifyCode(client.nextCode())).statusCode).toBe(401)
    const again = await api.send('DELETE /api/v1/user/totp-device/', { token, body: { otp_token } })
    expect([again.statusCode, again.json().error.code]).toEqual([404, 'totp_missing'])
  })

  it('accepts a recovery code', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    const [first, second] = (await client.registerWithTotp()) as [string, string]
    await client.signIn(first)
    expect((await client.request('DELETE totp-device/', { otp_token: first })).statusCode).toBe(401)
    expect((await client.request('DELETE totp-device/', { otp_token: second })).statusCode).toBe(204)
  })

  it('rejects a wrong, a used and a missing code', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.registerWithTotp()
    await client.signIn()
    for (const otp_token of [WRONG_CODE, client.code()]) {
      const response = await client.request('DELETE totp-device/', { otp_token })
      expect([response.statusCode, response.json().error.code]).toEqual([401, 'otp_invalid'])
    }
    expect((await client.request('DELETE totp-device/', {})).statusCode).toBe(422)
    expect((await client.request('POST totp-device/create/')).statusCode).toBe(409)
  })

  it('requires a session, also with a verified email', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.registerWithTotp()
    for (const name of ['nobody', 'claimed']) {
      if (name === 'claimed') await client.login()
      const response = await client.request('DELETE totp-device/', { otp_token: client.nextCode() })
      expect([response.statusCode, response.json().error.code], name).toEqual([401, 'token_missing'])
    }
    const bob = await verifiedClient(api, 'bob')
    expect((await bob.request('DELETE totp-device/', { otp_token: WRONG_CODE })).statusCode).toBe(401)
  })

  it('allows setting up another app, with a session or a verified email', async () => {
    const api = await startApi(db)
    const client = new WhisperClient(api, 'ann@example.com')
    await client.registerWithTotp()
    await client.signIn()
    await client.request('DELETE totp-device/', { otp_token: client.nextCode() })
    await client.setUpTotp()
    await client.request('DELETE totp-device/', { otp_token: client.nextCode() })
    const other = new WhisperClient(api, 'ann@example.com')
    await other.request('POST verify-email/begin/', { email: other.email })
    await other.confirmEmail()
    await other.setUpTotp()
    expect((await other.signIn()).email).toBe('ann@example.com')
  })
})

/** Confirms what the phone has scanned. @returns a token of its user. */
async function passwordless(api: TestApi, client: WhisperClient): Promise<{ auth_token: string }> {
  const confirmed = await client.request('POST totp-device/verify/', { otp_token: client.code() })
  expect(confirmed.statusCode).toBe(200)
  api.clock.advance(30_000)
  const { access } = await client.copy().signIn()
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
