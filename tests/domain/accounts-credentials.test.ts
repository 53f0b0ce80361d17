import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import type { AccessTokenSigner } from '../../src/domain/access-tokens.ts'
import type { Account } from '../../src/domain/accounts.ts'
import {
  type AccountNode,
  openAccounts,
  openSigner,
  PASSWORD,
  PHONE,
  tokenIn,
} from '../support/account-services.ts'
import { openTestDatabase, truncateAll } from '../support/database.ts'

const EMAIL = 'ann@example.com'
const NEW_EMAIL = 'annie@elsewhere.example'
const NEW_PASSWORD = 'seven quiet herons wade'
const HOUR = 60 * 60 * 1000

let db: Database
let signer: AccessTokenSigner
let node: AccountNode
let ann: Account

beforeAll(async () => {
  db = await openTestDatabase()
  signer = await openSigner()
})
afterAll(() => db.close())
beforeEach(async () => {
  await truncateAll(db)
  node = openAccounts(db, signer)
  ann = await node.accounts.register({ email: EMAIL, password: PASSWORD })
  // Letters that wait together may leave in any order.
  await node.worker.drain()
  return () => node.stop()
})

/** What came in the newest letter to the address. */
async function letterTo(email = EMAIL) {
  await node.worker.drain()
  return node.mailbox.letters.find(({ to }) => to === email)
}

async function resetToken(): Promise<string> {
  await node.accounts.requestPasswordReset(EMAIL)
  return tokenIn(await letterTo())
}

async function changeToken(): Promise<string> {
  await node.accounts.requestEmailChange(ann.id)
  return tokenIn(await letterTo())
}

function repeated(newPassword: string) {
  return { newPassword, newPasswordConfirmation: newPassword }
}

function rejection(fields: Record<string, string>) {
  const expected = Object.entries(fields).map(([field, message]) => [
    field,
    [expect.stringContaining(message)],
  ])
  return expect.objectContaining({ code: 'validation_failed', fields: Object.fromEntries(expected) })
}

const invalidToken = expect.objectContaining({ code: 'invalid_token' })
const wrongPassword = rejection({ current_password: 'is not valid' })

async function expectSignIn(email: string, password: string) {
  expect(await node.accounts.authenticate(email, password)).toMatchObject({ id: ann.id })
}

async function expectNoSignIn(email: string, password: string) {
  await expect(node.accounts.authenticate(email, password)).rejects.toMatchObject({
    code: 'invalid_credentials',
  })
}

describe('confirming an address', () => {
  it('takes the token of the letter, once', async () => {
    const token = tokenIn(await letterTo())
    await node.accounts.confirmEmail(token)
    expect(await node.accounts.find(ann.id)).toMatchObject({ confirmedAt: new Date(node.clock.now()) })
    await expect(node.accounts.confirmEmail(token)).rejects.toEqual(invalidToken)
  })

  it('sends another letter on request, until it is confirmed', async () => {
    await letterTo()
    await node.accounts.requestEmailConfirmation(ann.id)
    await node.accounts.confirmEmail(tokenIn(await letterTo()))
    expect(node.mailbox.letters.length).toBe(2)
    await node.accounts.requestEmailConfirmation(ann.id)
    await letterTo()
    expect(node.mailbox.letters.length).toBe(2)
  })

  it('takes no token of another kind', async () => {
    await expect(node.accounts.confirmEmail(await resetToken())).rejects.toEqual(invalidToken)
  })
})

describe('changing a password', () => {
  it('replaces it and ends every session', async () => {
    const session = await node.sessions.open(ann.id, PHONE)
    await node.accounts.changePassword(ann.id, { password: PASSWORD, ...repeated(NEW_PASSWORD) })
    await expectSignIn(EMAIL, NEW_PASSWORD)
    await expectNoSignIn(EMAIL, PASSWORD)
    expect(node.ended).toEqual([session.sessionId])
    expect(() => node.sessions.verify(session.accessToken)).toThrow(
      expect.objectContaining({ code: 'token_invalid' }),
    )
  })

  it('makes every letter’s token void', async () => {
    const tokens = [await resetToken(), await changeToken()] as const
    await node.accounts.changePassword(ann.id, { password: PASSWORD, ...repeated(NEW_PASSWORD) })
    await expect(node.accounts.userOfPasswordReset(tokens[0])).rejects.toEqual(invalidToken)
    const change = { token: tokens[1], email: NEW_EMAIL, password: NEW_PASSWORD }
    await expect(node.accounts.changeEmail(ann.id, change)).rejects.toEqual(invalidToken)
  })

  it('needs the current one', async () => {
    const change = { password: NEW_PASSWORD, ...repeated(NEW_PASSWORD) }
    await expect(node.accounts.changePassword(ann.id, change)).rejects.toEqual(wrongPassword)
    await expectSignIn(EMAIL, PASSWORD)
    expect(node.ended).toEqual([])
  })

  it('needs the new one twice, and a good one', async () => {
    const change = { password: PASSWORD, newPassword: 'short', newPasswordConfirmation: 'Short' }
    await expect(node.accounts.changePassword(ann.id, change)).rejects.toEqual(
      rejection({ new_password: 'at least 12', new_password_confirmation: 'does not match' }),
    )
  })

  it('by two at once, who know the same password, is done by one', async () => {
    const changes = ['seven quiet herons wade', 'seven quiet herons sing'].map((password) =>
      node.accounts.changePassword(ann.id, { password: PASSWORD, ...repeated(password) }),
    )
    const results = await Promise.allSettled(changes)
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    expect(results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))).toEqual([
      wrongPassword,
    ])
  })
})

describe('resetting a password', () => {
  it('needs nothing but the token of the letter, and ends every session', async () => {
    const session = await node.sessions.open(ann.id, PHONE)
    await node.accounts.resetPassword({ token: await resetToken(), ...repeated(NEW_PASSWORD) })
    await expectSignIn(EMAIL, NEW_PASSWORD)
    await expectNoSignIn(EMAIL, PASSWORD)
    expect(node.ended).toEqual([session.sessionId])
  })

  it('says whose it is without using the token', async () => {
    const token = await resetToken()
    const user = { id: ann.id, email: EMAIL, displayName: EMAIL }
    expect(await node.accounts.userOfPasswordReset(token)).toEqual(user)
    expect(await node.accounts.userOfPasswordReset(token)).toEqual(user)
    await node.accounts.resetPassword({ token, ...repeated(NEW_PASSWORD) })
    await expect(node.accounts.userOfPasswordReset(token)).rejects.toEqual(invalidToken)
  })

  it('takes the token once, even from two at once', async () => {
    const token = await resetToken()
    const resets = ['seven quiet herons wade', 'seven quiet herons sing'].map((password) =>
      node.accounts.resetPassword({ token, ...repeated(password) }),
    )
    const results = await Promise.allSettled(resets)
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    expect(results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))).toEqual([
      invalidToken,
    ])
  })

  it('takes a current password, if sent, only when it is right', async () => {
    const token = await resetToken()
    const change = { token, ...repeated(NEW_PASSWORD) }
    await expect(node.accounts.resetPassword({ ...change, password: NEW_PASSWORD })).rejects.toEqual(
      wrongPassword,
    )
    await node.accounts.resetPassword({ ...change, password: PASSWORD })
    await expectSignIn(EMAIL, NEW_PASSWORD)
  })

  it('keeps the token for another try when the new password is refused', async () => {
    const token = await resetToken()
    const change = { token, newPassword: 'password1234', newPasswordConfirmation: 'password12345' }
    await expect(node.accounts.resetPassword(change)).rejects.toEqual(
      rejection({ new_password: 'too common', new_password_confirmation: 'does not match' }),
    )
    await node.accounts.resetPassword({ token, ...repeated(NEW_PASSWORD) })
  })

  it('voids the letters that were sent before', async () => {
    const [first, second] = [await resetToken(), await resetToken()]
    await node.accounts.resetPassword({ token: second, ...repeated(NEW_PASSWORD) })
    await expect(node.accounts.userOfPasswordReset(first)).rejects.toEqual(invalidToken)
  })

  it('is too late after a day', async () => {
    const token = await resetToken()
    node.clock.advance(24 * HOUR)
    await expect(node.accounts.resetPassword({ token, ...repeated(NEW_PASSWORD) })).rejects.toEqual(
      invalidToken,
    )
  })

  it('can be asked for by anyone, of any address, in the same words', async () => {
    await letterTo()
    for (const email of ['nobody@example.com', 'not an address', `${'a'.repeat(1_000_000)}@example.com`]) {
      expect(await node.accounts.requestPasswordReset(email)).toBeUndefined()
    }
    await node.worker.drain()
    expect(node.mailbox.letters.length).toBe(1)
  })

  it.each(['ann\0@example.com', 'ann\ud800@example.com'])(
    'refuses %j, which cannot be stored',
    async (email) => {
      await expect(node.accounts.requestPasswordReset(email)).rejects.toEqual(rejection({ email: 'address' }))
    },
  )
})

describe('changing an address', () => {
  it('writes to the address as it is', async () => {
    await node.accounts.requestEmailChange(ann.id)
    expect(await letterTo(EMAIL)).toMatchObject({ subject: 'Change your email address' })
  })

  it('makes the new one unconfirmed, writes to both, and ends every session', async () => {
    await node.accounts.confirmEmail(tokenIn(await letterTo()))
    const session = await node.sessions.open(ann.id, PHONE)
    await node.accounts.changeEmail(ann.id, {
      token: await changeToken(),
      email: ` ${NEW_EMAIL} `,
      password: PASSWORD,
    })
    expect(await node.accounts.find(ann.id)).toMatchObject({ email: NEW_EMAIL, confirmedAt: null })
    await expectSignIn(NEW_EMAIL, PASSWORD)
    await expectNoSignIn(EMAIL, PASSWORD)
    expect(node.ended).toEqual([session.sessionId])
    expect(await letterTo(EMAIL)).toMatchObject({ subject: 'Your email address was changed' })
    await node.accounts.confirmEmail(tokenIn(await letterTo(NEW_EMAIL)))
    expect(await node.accounts.find(ann.id)).toMatchObject({ confirmedAt: expect.any(Date) })
  })

  it('makes the tokens of letters to the old one void', async () => {
    const confirmation = tokenIn(await letterTo())
    const reset = await resetToken()
    await node.accounts.changeEmail(ann.id, {
      token: await changeToken(),
      email: NEW_EMAIL,
      password: PASSWORD,
    })
    await expect(node.accounts.confirmEmail(confirmation)).rejects.toEqual(invalidToken)
    await expect(node.accounts.userOfPasswordReset(reset)).rejects.toEqual(invalidToken)
  })

  it('needs the password, and keeps the token for another try', async () => {
    const token = await changeToken()
    const wrong = node.accounts.changeEmail(ann.id, { token, email: NEW_EMAIL, password: NEW_PASSWORD })
    await expect(wrong).rejects.toEqual(wrongPassword)
    await node.accounts.changeEmail(ann.id, { token, email: NEW_EMAIL, password: PASSWORD })
  })

  it('refuses the same address, one that is taken, and what is none; the token stays good', async () => {
    const token = await changeToken()
    await node.accounts.register({ email: 'ben@example.com', password: PASSWORD })
    const change = (email: string) => node.accounts.changeEmail(ann.id, { token, email, password: PASSWORD })
    await expect(change('ANN@example.com')).rejects.toEqual(rejection({ email: 'already' }))
    await expect(change('Ben@example.com')).rejects.toEqual(rejection({ email: 'has already been taken' }))
    await expect(change('annie')).rejects.toEqual(rejection({ email: 'must be an email address' }))
    await change(NEW_EMAIL)
  })

  it('takes no token of somebody else', async () => {
    const token = await changeToken()
    const ben = await node.accounts.register({ email: 'ben@example.com', password: PASSWORD })
    const stolen = node.accounts.changeEmail(ben.id, { token, email: NEW_EMAIL, password: PASSWORD })
    await expect(stolen).rejects.toEqual(invalidToken)
    await node.accounts.changeEmail(ann.id, { token, email: NEW_EMAIL, password: PASSWORD })
  })

  it('takes no token of another kind, and none twice', async () => {
    const reset = { token: await resetToken(), email: NEW_EMAIL, password: PASSWORD }
    await expect(node.accounts.changeEmail(ann.id, reset)).rejects.toEqual(invalidToken)
    const change = { token: await changeToken(), email: NEW_EMAIL, password: PASSWORD }
    const results = await Promise.allSettled([
      node.accounts.changeEmail(ann.id, change),
      node.accounts.changeEmail(ann.id, change),
    ])
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1)
  })

  it('is too late after a week', async () => {
    const token = await changeToken()
    node.clock.advance(7 * 24 * HOUR)
    const late = node.accounts.changeEmail(ann.id, { token, email: NEW_EMAIL, password: PASSWORD })
    await expect(late).rejects.toEqual(invalidToken)
  })
})
