import { expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import type { Account } from '../../src/client/account.ts'
import { type PasswordlessSteps, passwordless } from '../../src/client/passwordless.ts'
import { SESSION_KEY, type StoredSession } from '../../src/client/session/stored-session.ts'
import { memoryStore } from '../../src/client/stores/memory.ts'
import { Authenticator } from '../browser/authenticator.ts'
import { linkInEmail } from '../browser/emails.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { readQrCode } from '../support/whisper-client.ts'
import { PASSPHRASE, registerClient, registerKeyed, resumeClient } from './support/clients.ts'

const MINUTE = 60_000
const EMAIL = 'ann@example.com'

it('signs up and in without a password, and opens an account like any other', async () => {
  const app = await startApp()
  const steps = stepsOf(app)
  expect(await steps.register(EMAIL, { username: 'Ann Example' })).toEqual({
    ...{ email: EMAIL, username: 'Ann Example', isVerified: false },
  })
  expect(await steps.verifyEmail(await linkInEmail(app, EMAIL))).toMatchObject({ isVerified: true })
  const codes = await authenticatorOf(app, await steps.setUpAuthenticator())
  const recoveryCodes = await steps.confirmAuthenticator(codes.nextCode())
  expect(recoveryCodes).toHaveLength(10)
  const me = opened(await steps.signIn({ code: codes.nextCode() }))
  expect(me.user).toMatchObject({ email: EMAIL, id: expect.stringMatching(/^[0-9a-f-]{36}$/) })
  await me.keys.create(PASSPHRASE)
  await registerKeyed(app, 'bob')
  const chat = await me.conversations.with('bob@example.com')
  expect(await chat.send('Hello')).toMatchObject({ seq: 1 })
})

it('signs in later with the address and a code or a recovery code', async () => {
  const app = await startApp()
  const { codes, recoveryCodes } = await signUp(app)
  const withCode = opened(await stepsOf(app).signIn({ email: EMAIL, code: codes.nextCode() }))
  expect(withCode.user.email).toBe(EMAIL)
  const withRecoveryCode = opened(await stepsOf(app).signIn({ email: EMAIL, code: recoveryCodes[0]! }))
  expect(withRecoveryCode.user).toEqual(withCode.user)
  // A sign-in of this kind ends the one before.
  await eventually(() => expect(withCode.connection).toBe('closed'))
})

it('rejects a wrong code and a used one, and a sign-in that was not begun', async () => {
  const app = await startApp()
  const { codes } = await signUp(app)
  const steps = stepsOf(app)
  await expect(steps.signIn({ code: codes.nextCode() })).rejects.toMatchObject({ code: 'login_needed' })
  await expect(steps.signIn({ email: EMAIL, code: '000000' })).rejects.toMatchObject({ code: 'otp_invalid' })
  const code = codes.nextCode()
  opened(await steps.signIn({ email: EMAIL, code }))
  await expect(steps.signIn({ email: EMAIL, code })).rejects.toMatchObject({ code: 'otp_invalid' })
})

it('sends the email again, and takes the token as well as the link', async () => {
  const app = await startApp()
  const steps = stepsOf(app)
  await steps.register(EMAIL)
  const first = await linkInEmail(app, EMAIL)
  await steps.sendEmail(EMAIL)
  expect(await linkInEmail(app, EMAIL)).not.toBe(first)
  await expect(steps.verifyEmail(first)).rejects.toMatchObject({ code: 'invalid_token' })
  const token = new URL(await linkInEmail(app, EMAIL)).pathname.split('/').at(-2)!
  expect(await steps.verifyEmail(token)).toMatchObject({ email: EMAIL, isVerified: true })
})

it('shows the QR code only to the steps in which the address was verified', async () => {
  const app = await startApp()
  const steps = stepsOf(app)
  await steps.register(EMAIL)
  await steps.verifyEmail(await linkInEmail(app, EMAIL))
  await expect(stepsOf(app).setUpAuthenticator()).rejects.toMatchObject({ code: 'token_missing' })
  expect((await steps.setUpAuthenticator()).type).toBe('image/png')
})

it('refreshes the session, and continues it from the store', async () => {
  const app = await startApp()
  const { codes } = await signUp(app)
  const store = memoryStore()
  const me = opened(await stepsOf(app, store).signIn({ email: EMAIL, code: codes.nextCode() }))
  await registerClient(app, 'bob')
  app.clock.advance(40 * MINUTE)
  expect((await me.users().next()).value).toMatchObject({ email: 'bob@example.com' })
  await me.close()
  app.clock.advance(40 * MINUTE)
  const resumed = await resumeClient(app, store)
  expect((await resumed.users().next()).value).toMatchObject({ email: 'bob@example.com' })
  const { body } = await app.request('GET', '/api/sessions', { token: await tokenOf(store) })
  expect(body.items).toMatchObject([{ kind: 'whisper', current: true }])
})

function stepsOf({ url }: TestApp, store = memoryStore()): PasswordlessSteps {
  return passwordless({ url, store, transport: WebSocket })
}

function opened(account: Account): Account {
  onTestFinished(() => account.close())
  return account
}

async function signUp(app: TestApp) {
  const steps = stepsOf(app)
  await steps.register(EMAIL)
  await steps.verifyEmail(await linkInEmail(app, EMAIL))
  const codes = await authenticatorOf(app, await steps.setUpAuthenticator())
  return { codes, recoveryCodes: await steps.confirmAuthenticator(codes.nextCode()) }
}

async function authenticatorOf({ clock }: TestApp, image: Blob): Promise<Authenticator> {
  return new Authenticator(readQrCode(Buffer.from(await image.arrayBuffer())), clock)
}

async function tokenOf(store: ReturnType<typeof memoryStore>): Promise<string> {
  return ((await store.get(SESSION_KEY)) as StoredSession).authToken
}
