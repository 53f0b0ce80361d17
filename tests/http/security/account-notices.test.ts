import { expect, it } from 'vitest'
import { PASSWORD, startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'

const db = setUpDatabase()

const NEW_PASSWORD = 'a wholly different sentence'
const change = { new_password: NEW_PASSWORD, new_password_confirmation: NEW_PASSWORD }
const FROM = '192.0.2.9'

/** The newest email with this subject, without its markup. */
async function notice(api: TestApi, to: string, subject: string): Promise<string | undefined> {
  return (await api.emails()).find((one) => one.to === to && one.subject === subject)?.text
}

/** The security events of a kind in the log. */
function events(api: TestApi, kind: string) {
  return api.log.lines.filter(({ security }) => security === kind)
}

it('notifies the owner of a password change, with time and address', async () => {
  const api = await startApi(db)
  const { auth_token: token, user } = await api.register('ann')
  const body = { password: PASSWORD, ...change }
  expect((await api.send('PATCH /api/password', { token, body, from: FROM })).statusCode).toBe(204)
  expect(await notice(api, 'ann@example.com', 'Your password was changed')).toContain(FROM)
  expect(events(api, 'password_changed')).toMatchObject([{ userId: user.id, ip: FROM }])
})

it('notifies the owner of a password reset', async () => {
  const api = await startApi(db)
  const { user } = await api.register('ann')
  await api.emails()
  await api.send('POST /auth/password/request', { body: { email: 'ann@example.com' } })
  const body = { token: await api.tokenOfEmail('ann@example.com'), ...change }
  expect((await api.send('POST /auth/password/reset', { body, from: FROM })).statusCode).toBe(204)
  expect(await notice(api, 'ann@example.com', 'Your password was changed')).toContain(FROM)
  expect(events(api, 'password_reset')).toMatchObject([{ userId: user.id, ip: FROM }])
})

it('notifies the owner of an email change at the previous address', async () => {
  const api = await startApi(db)
  const { auth_token: token, user } = await api.register('ann')
  await api.emails()
  await api.send('POST /api/token/email_change', { token })
  const body = {
    token: await api.tokenOfEmail('ann@example.com'),
    email: 'ann@new.example',
    password: PASSWORD,
  }
  expect((await api.send('PATCH /api/email', { token, body, from: FROM })).statusCode).toBe(204)
  expect(await notice(api, 'ann@example.com', 'Your email address was changed')).toContain(FROM)
  expect(events(api, 'email_changed')).toMatchObject([{ userId: user.id, ip: FROM }])
})
