import { describe, expect, it } from 'vitest'
import type { Account } from '../../../src/domain/accounts/accounts.ts'
import {
  type AccountNode,
  authenticate,
  PASSWORD,
  PHONE,
  setUpAccounts,
  tokenIn,
} from '../../support/account-services.ts'

const EMAIL = 'ann@example.com'
const NEW_EMAIL = 'annie@elsewhere.example'
const NEW_PASSWORD = 'seven quiet herons wade'
const HOUR = 60 * 60 * 1000

let node: AccountNode
let ann: Account

setUpAccounts(async (given) => {
  node = given
  ann = await node.accounts.find(await node.accounts.register({ email: EMAIL, password: PASSWORD }))
  // Emails that wait together may be sent in any order.
  await node.worker.drain()
})

/** The newest email to an address. */
async function emailTo(email = EMAIL) {
  await node.worker.drain()
  return node.mailbox.emails.find(({ to }) => to === email)
}

async function resetToken(): Promise<string> {
  await node.accountPasswords.requestReset(EMAIL)
  return tokenIn(await emailTo())
}

async function changeToken(): Promise<string> {
  await node.accountEmails.requestChange(ann.id)
  return tokenIn(await emailTo())
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
const wrongPassword = rejection({ currentPassword: 'is not valid' })

async function expectSignIn(email: string, password: string) {
  expect(await authenticate(node, email, password)).toMatchObject({ id: ann.id })
}

async function expectNoSignIn(email: string, password: string) {
  await expect(authenticate(node, email, password)).rejects.toMatchObject({
    code: 'invalid_credentials',
  })
}

describe('confirming an address', () => {
  it('accepts the token of the email once', async () => {
    const token = tokenIn(await emailTo())
    await node.accountEmails.confirm(token)
    expect(await node.accounts.find(ann.id)).toMatchObject({ confirmedAt: new Date(node.clock.now()) })
    await expect(node.accountEmails.confirm(token)).rejects.toEqual(invalidToken)
  })

  it('sends another email on request, until the address is confirmed', async () => {
    await emailTo()
    await node.accountEmails.requestConfirmation(ann.id)
    await node.accountEmails.confirm(tokenIn(await emailTo()))
    expect(node.mailbox.emails.length).toBe(2)
    await node.accountEmails.requestConfirmation(ann.id)
    await emailTo()
    expect(node.mailbox.emails.length).toBe(2)
  })

  it('rejects a token of another kind', async () => {
    await expect(node.accountEmails.confirm(await resetToken())).rejects.toEqual(invalidToken)
  })
})

describe('changing a password', () => {
  it('replaces it and ends every session', async () => {
    const session = await node.sessions.open(ann.id, PHONE)
    await node.accountPasswords.change(ann.id, { password: PASSWORD, ...repeated(NEW_PASSWORD) })
    await expectSignIn(EMAIL, NEW_PASSWORD)
    await expectNoSignIn(EMAIL, PASSWORD)
    expect(node.ended).toEqual([session.sessionId])
    expect(() => node.sessions.verify(session.accessToken)).toThrow(
      expect.objectContaining({ code: 'token_invalid' }),
    )
  })

  it('voids the tokens of all earlier emails', async () => {
    const tokens = [await resetToken(), await changeToken()] as const
    await node.accountPasswords.change(ann.id, { password: PASSWORD, ...repeated(NEW_PASSWORD) })
    await expect(node.accountPasswords.userOfReset(tokens[0])).rejects.toEqual(invalidToken)
    const change = { token: tokens[1], email: NEW_EMAIL, password: NEW_PASSWORD }
    await expect(node.accountEmails.change(ann.id, change)).rejects.toEqual(invalidToken)
  })

  it('requires the current password', async () => {
    const change = { password: NEW_PASSWORD, ...repeated(NEW_PASSWORD) }
    await expect(node.accountPasswords.change(ann.id, change)).rejects.toEqual(wrongPassword)
    await expectSignIn(EMAIL, PASSWORD)
    expect(node.ended).toEqual([])
  })

  it('requires a valid new password, entered twice', async () => {
    const change = { password: PASSWORD, newPassword: 'short', newPasswordConfirmation: 'Short' }
    await expect(node.accountPasswords.change(ann.id, change)).rejects.toEqual(
      rejection({ newPassword: 'at least 12', newPasswordConfirmation: 'does not match' }),
    )
  })

  it('succeeds for one of two concurrent changes', async () => {
    const changes = ['seven quiet herons wade', 'seven quiet herons sing'].map((password) =>
      node.accountPasswords.change(ann.id, { password: PASSWORD, ...repeated(password) }),
    )
    const results = await Promise.allSettled(changes)
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    expect(results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))).toEqual([
      wrongPassword,
    ])
  })
})

describe('resetting a password', () => {
  it('requires only the token of the email, and ends every session', async () => {
    const session = await node.sessions.open(ann.id, PHONE)
    await node.accountPasswords.reset({ token: await resetToken(), ...repeated(NEW_PASSWORD) })
    await expectSignIn(EMAIL, NEW_PASSWORD)
    await expectNoSignIn(EMAIL, PASSWORD)
    expect(node.ended).toEqual([session.sessionId])
  })

  it('finds the user of a token without using it', async () => {
    const token = await resetToken()
    const user = { id: ann.id, email: EMAIL, displayName: EMAIL, confirmed: false }
    expect(await node.accountPasswords.userOfReset(token)).toEqual(user)
    expect(await node.accountPasswords.userOfReset(token)).toEqual(user)
    await node.accountPasswords.reset({ token, ...repeated(NEW_PASSWORD) })
    await expect(node.accountPasswords.userOfReset(token)).rejects.toEqual(invalidToken)
  })

  it('accepts the token once, also from concurrent requests', async () => {
    const token = await resetToken()
    const resets = ['seven quiet herons wade', 'seven quiet herons sing'].map((password) =>
      node.accountPasswords.reset({ token, ...repeated(password) }),
    )
    const results = await Promise.allSettled(resets)
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    expect(results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))).toEqual([
      invalidToken,
    ])
  })

  it('rejects a wrong current password, if one is sent', async () => {
    const token = await resetToken()
    const change = { token, ...repeated(NEW_PASSWORD) }
    await expect(node.accountPasswords.reset({ ...change, password: NEW_PASSWORD })).rejects.toEqual(
      wrongPassword,
    )
    await node.accountPasswords.reset({ ...change, password: PASSWORD })
    await expectSignIn(EMAIL, NEW_PASSWORD)
  })

  it('keeps the token valid when the new password is rejected', async () => {
    const token = await resetToken()
    const change = { token, newPassword: 'password1234', newPasswordConfirmation: 'password12345' }
    await expect(node.accountPasswords.reset(change)).rejects.toEqual(
      rejection({ newPassword: 'too common', newPasswordConfirmation: 'does not match' }),
    )
    await node.accountPasswords.reset({ token, ...repeated(NEW_PASSWORD) })
  })

  it('voids the tokens of earlier emails', async () => {
    const [first, second] = [await resetToken(), await resetToken()]
    await node.accountPasswords.reset({ token: second, ...repeated(NEW_PASSWORD) })
    await expect(node.accountPasswords.userOfReset(first)).rejects.toEqual(invalidToken)
  })

  it('rejects the token after a day', async () => {
    const token = await resetToken()
    node.clock.advance(24 * HOUR)
    await expect(node.accountPasswords.reset({ token, ...repeated(NEW_PASSWORD) })).rejects.toEqual(
      invalidToken,
    )
  })

  it('can be requested for any address with the same answer', async () => {
    await emailTo()
    for (const email of ['nobody@example.com', 'not an address', `${'a'.repeat(1_000_000)}@example.com`]) {
      expect(await node.accountPasswords.requestReset(email)).toBeUndefined()
    }
    await node.worker.drain()
    expect(node.mailbox.emails.length).toBe(1)
  })

  it.each(['ann\0@example.com', 'ann\ud800@example.com'])(
    'refuses %j, which cannot be stored',
    async (email) => {
      await expect(node.accountPasswords.requestReset(email)).rejects.toEqual(rejection({ email: 'address' }))
    },
  )
})

describe('changing an address', () => {
  it('sends the email to the current address', async () => {
    await node.accountEmails.requestChange(ann.id)
    expect(await emailTo(EMAIL)).toMatchObject({ subject: 'Change your email address' })
  })

  it('leaves the new address unconfirmed, notifies both addresses, and ends every session', async () => {
    await node.accountEmails.confirm(tokenIn(await emailTo()))
    const session = await node.sessions.open(ann.id, PHONE)
    await node.accountEmails.change(ann.id, {
      token: await changeToken(),
      email: ` ${NEW_EMAIL} `,
      password: PASSWORD,
    })
    expect(await node.accounts.find(ann.id)).toMatchObject({ email: NEW_EMAIL, confirmedAt: null })
    await expectSignIn(NEW_EMAIL, PASSWORD)
    await expectNoSignIn(EMAIL, PASSWORD)
    expect(node.ended).toEqual([session.sessionId])
    expect(await emailTo(EMAIL)).toMatchObject({ subject: 'Your email address was changed' })
    await node.accountEmails.confirm(tokenIn(await emailTo(NEW_EMAIL)))
    expect(await node.accounts.find(ann.id)).toMatchObject({ confirmedAt: expect.any(Date) })
  })

  it('also changes a display name that is the old address', async () => {
    await node.accountEmails.change(ann.id, {
      token: await changeToken(),
      email: NEW_EMAIL,
      password: PASSWORD,
    })
    await node.accountEmails.confirm(tokenIn(await emailTo(NEW_EMAIL)))
    expect(await node.accounts.find(ann.id)).toMatchObject({ displayName: NEW_EMAIL, confirmed: true })
  })

  it('voids the tokens of emails to the old address', async () => {
    const confirmation = tokenIn(await emailTo())
    const reset = await resetToken()
    await node.accountEmails.change(ann.id, {
      token: await changeToken(),
      email: NEW_EMAIL,
      password: PASSWORD,
    })
    await expect(node.accountEmails.confirm(confirmation)).rejects.toEqual(invalidToken)
    await expect(node.accountPasswords.userOfReset(reset)).rejects.toEqual(invalidToken)
  })

  it('requires the password, and keeps the token valid when it is wrong', async () => {
    const token = await changeToken()
    const wrong = node.accountEmails.change(ann.id, { token, email: NEW_EMAIL, password: NEW_PASSWORD })
    await expect(wrong).rejects.toEqual(wrongPassword)
    await node.accountEmails.change(ann.id, { token, email: NEW_EMAIL, password: PASSWORD })
  })

  it('rejects the same, a taken and an invalid address, and keeps the token valid', async () => {
    const token = await changeToken()
    await node.accounts.register({ email: 'ben@example.com', password: PASSWORD })
    const change = (email: string) => node.accountEmails.change(ann.id, { token, email, password: PASSWORD })
    await expect(change('ANN@example.com')).rejects.toEqual(rejection({ email: 'already' }))
    await expect(change('Ben@example.com')).rejects.toEqual(rejection({ email: 'has already been taken' }))
    await expect(change('annie')).rejects.toEqual(rejection({ email: 'must be an email address' }))
    await change(NEW_EMAIL)
  })

  it('rejects the token of another user', async () => {
    const token = await changeToken()
    const ben = await node.accounts.register({ email: 'ben@example.com', password: PASSWORD })
    const stolen = node.accountEmails.change(ben, { token, email: NEW_EMAIL, password: PASSWORD })
    await expect(stolen).rejects.toEqual(invalidToken)
    await node.accountEmails.change(ann.id, { token, email: NEW_EMAIL, password: PASSWORD })
  })

  it('rejects a token of another kind, and a used one', async () => {
    const reset = { token: await resetToken(), email: NEW_EMAIL, password: PASSWORD }
    await expect(node.accountEmails.change(ann.id, reset)).rejects.toEqual(invalidToken)
    const change = { token: await changeToken(), email: NEW_EMAIL, password: PASSWORD }
    const results = await Promise.allSettled([
      node.accountEmails.change(ann.id, change),
      node.accountEmails.change(ann.id, change),
    ])
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(1)
  })

  it('rejects the token after a week', async () => {
    const token = await changeToken()
    node.clock.advance(7 * 24 * HOUR)
    const late = node.accountEmails.change(ann.id, { token, email: NEW_EMAIL, password: PASSWORD })
    await expect(late).rejects.toEqual(invalidToken)
  })
})
