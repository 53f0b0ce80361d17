import { expect, it } from 'vitest'
import { signIn } from '../../src/client/session/sign-in.ts'
import { memoryStore } from '../../src/client/stores/memory.ts'
import { Authenticator } from '../browser/authenticator.ts'
import { linkInEmail } from '../browser/emails.ts'
import { PASSWORD, startApp, type TestApp } from '../support/app.ts'
import { readQrCode } from '../support/whisper-client.ts'

const EMAIL = 'ann@example.com'

it('asks for the code of an account with an authenticator app', async () => {
  const app = await startApp()
  await enrol(app)
  await expect(attempt(app)).rejects.toMatchObject({ code: 'totp_required', status: 401 })
})

it('signs in with a code of the app, once', async () => {
  const app = await startApp()
  const { codes } = await enrol(app)
  const otpToken = codes.nextCode()
  expect(await attempt(app, { otpToken })).toMatchObject({ email: EMAIL })
  await expect(attempt(app, { otpToken })).rejects.toMatchObject({ code: 'otp_invalid' })
})

it('signs in with a recovery code, once', async () => {
  const app = await startApp()
  const [otpToken] = (await enrol(app)).recoveryCodes
  expect(await attempt(app, { otpToken: otpToken! })).toMatchObject({ email: EMAIL })
  await expect(attempt(app, { otpToken: otpToken! })).rejects.toMatchObject({ code: 'otp_invalid' })
})

it('rejects a wrong code, and a wrong password with or without a code', async () => {
  const app = await startApp()
  const { codes } = await enrol(app)
  const password = 'a wrong password'
  const wrongPassword = { code: 'invalid_credentials', status: 401 }
  await expect(attempt(app, { otpToken: '000000' })).rejects.toMatchObject({
    code: 'otp_invalid',
    status: 401,
  })
  await expect(attempt(app, { password })).rejects.toMatchObject(wrongPassword)
  await expect(attempt(app, { password, otpToken: codes.nextCode() })).rejects.toMatchObject(wrongPassword)
})

async function attempt({ url }: TestApp, change: { password?: string; otpToken?: string } = {}) {
  const { session } = await signIn({ url, email: EMAIL, password: PASSWORD, store: memoryStore(), ...change })
  session.close()
  return session.user
}

/** Registers ann, confirms her address and sets up an authenticator app. */
async function enrol(app: TestApp): Promise<{ codes: Authenticator; recoveryCodes: string[] }> {
  const { token } = await app.signUp('ann')
  const link = new URL(await linkInEmail(app, EMAIL))
  await app.request('POST', '/auth/confirm', { body: { token: link.searchParams.get('token') } })
  const path = '/api/v1/user/totp-device'
  await app.request('POST', `${path}/create/`, { token, body: {} })
  const headers = { authorization: `Bearer ${token}` }
  const image = await fetch(`${app.url}/api/v1/user/qr-code/`, { method: 'POST', headers })
  const codes = new Authenticator(readQrCode(Buffer.from(await image.arrayBuffer())), app.clock)
  const { body } = await app.request('POST', `${path}/verify/`, { token, body: { otp_token: codes.code() } })
  return { codes, recoveryCodes: body.recovery_codes }
}
