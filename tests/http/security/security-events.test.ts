import { expect, it } from 'vitest'
import { PASSWORD, startApi, type TestApi } from '../../support/api.ts'
import { eventually } from '../../support/eventually.ts'
import { securityLines } from '../../support/log.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'

const OTHER = 'seven quiet herons wade'

const db = setUpDatabase()

async function rowsOf(api: TestApi, kind: string) {
  await api.services.securityLog.stop()
  return db.rows<{ user_id: string; ip: string }>('select user_id, ip from audit_events where kind = $1', [
    kind,
  ])
}

const from = '203.0.113.5'

it('logs and stores successful and failed sign-ins', async () => {
  const api = await startApi(db)
  const ann = await api.register('ann')
  const sign = (password: string) =>
    api.send('POST /auth/login', { body: { email: 'ann@example.com', password }, from })
  expect((await sign(PASSWORD)).statusCode).toBe(200)
  expect((await sign(OTHER)).statusCode).toBe(401)
  for (const [kind, level] of [
    ['sign_in', 30],
    ['sign_in_failed', 40],
  ] as const) {
    expect(securityLines(api.log.lines, kind)).toMatchObject([{ level, userId: ann.user.id, ip: from }])
    expect(await rowsOf(api, kind)).toEqual([{ user_id: ann.user.id, ip: from }])
  }
  expect(api.log.text()).not.toContain(OTHER)
})

it('logs a lockout once a minute, with and without an account', async () => {
  const api = await startApi(db)
  const ann = await api.register('ann')
  for (const email of ['ann@example.com', 'nobody@example.com']) {
    for (let i = 0; i < 15; i++)
      await api.send('POST /auth/login', { body: { email, password: OTHER }, from })
  }
  // Recorded after the answer, so that the answer takes as long whether or not there is such an account.
  await eventually(() => expect(securityLines(api.log.lines, 'sign_in_locked')).toHaveLength(2))
  expect(securityLines(api.log.lines, 'sign_in_locked')).toMatchObject([
    { level: 40, userId: ann.user.id, ip: from, reason: 'password_tries' },
    { ip: from, reason: 'password_tries' },
  ])
  expect(securityLines(api.log.lines, 'sign_in_locked')[1]).not.toHaveProperty('userId')
  expect(await rowsOf(api, 'sign_in_locked')).toEqual([{ user_id: ann.user.id, ip: from }])
  expect(api.log.text()).not.toContain('example.com')
})

it('logs and stores a wrong current password and a password change', async () => {
  const api = await startApi(db)
  const { auth_token: token, user } = await api.register('ann')
  const change = (password: string) =>
    api.send('PATCH /api/password', {
      body: { password, new_password: OTHER, new_password_confirmation: OTHER },
      token,
      from,
    })
  expect((await change('not the password at all')).statusCode).toBe(422)
  expect((await change(PASSWORD)).statusCode).toBe(204)
  expect(securityLines(api.log.lines, 'sign_in_failed')).toMatchObject([
    { userId: user.id, reason: 'current_password' },
  ])
  expect(securityLines(api.log.lines, 'password_changed')).toMatchObject([
    { level: 30, userId: user.id, ip: from },
  ])
  expect(await rowsOf(api, 'password_changed')).toEqual([{ user_id: user.id, ip: from }])
  expect(api.log.text()).not.toContain(OTHER)
})
