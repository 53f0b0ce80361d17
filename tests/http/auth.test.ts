import { describe, expect, it } from 'vitest'
import { PASSWORD, type SignedIn, startApi } from '../support/api.ts'
import { setUpDatabase } from '../support/set-up-database.ts'
import { logStatements } from '../support/sql-log.ts'

const db = setUpDatabase()

const CONTRACTS = ['documented', 'legacy'] as const
const TIMES = {
  documented: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  legacy: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}000Z$/,
}

describe.each(CONTRACTS)('signing in (%s)', (contract) => {
  it('returns the user and the tokens after a registration', async () => {
    const api = await startApi(db, { contract })
    const body = { email: 'Ann@Example.com', password: PASSWORD }
    const response = await api.send('POST /auth/register', { body })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({
      user: {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        email: 'Ann@Example.com',
        display_name: 'Ann@Example.com',
        confirmed: false,
        confirmed_at: null,
        hidden: false,
        theme: contract === 'legacy' ? 'auto' : 'day',
        magnification: 1,
        recents: [],
      },
      conversations: [],
      conversations_page_token: null,
      users: [],
      auth_token: expect.stringMatching(/^[A-Za-z0-9._-]+$/),
      refresh_token: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    })
  })

  it('returns the conversations and their members after a login', async () => {
    const api = await startApi(db, { contract })
    const [ann, bob] = [await api.register('ann'), await api.register('bob')]
    const id = await api.startConversation(ann, bob)
    const time = expect.stringMatching(TIMES[contract])
    const { conversations, users } = (await api.login('ann')).json<SignedIn>()
    const times = { inserted_at: time, updated_at: time }
    const reading = { last_seq: 0, read_seq: 0, unread: 0 }
    expect(conversations).toEqual([{ id, private: true, alias: null, ...times, ...reading }])
    expect(users).toEqual([
      { id: bob.user.id, email: 'bob@example.com', display_name: 'bob Example', confirmed: false },
    ])
  })

  it('formats the time of the confirmation as ISO 8601', async () => {
    const api = await startApi(db, { contract })
    await api.register('ann')
    const token = await api.tokenOfEmail('ann@example.com')
    expect((await api.send('POST /auth/confirm', { body: { token } })).statusCode).toBe(204)
    expect((await api.login('ann')).json().user.confirmed_at).toBe(new Date(api.clock.now()).toISOString())
  })

  it('returns the same response with new tokens for a refresh token', async () => {
    const api = await startApi(db, { contract })
    const ann = await api.register('ann')
    const response = await api.send('POST /auth/refresh', { body: { token: ann.refresh_token } })
    expect(response.statusCode).toBe(200)
    const fresh = response.json<SignedIn>()
    expect(fresh.user).toEqual(ann.user)
    expect(fresh.refresh_token).not.toBe(ann.refresh_token)
    expect((await api.send('GET /api/users', { token: fresh.auth_token })).statusCode).toBe(200)
  })
})

describe('POST /auth/register', () => {
  it.each(['display_name', 'displayName'])('accepts the display name as %s, and trims it', async (field) => {
    const api = await startApi(db)
    const body = { email: 'ann@example.com', password: PASSWORD, [field]: '  Ann Other ' }
    expect((await api.send('POST /auth/register', { body })).json().user.display_name).toBe('Ann Other')
  })

  it('treats a null display name as absent', async () => {
    const api = await startApi(db)
    const body = { email: 'ann@example.com', password: PASSWORD, display_name: null }
    expect((await api.send('POST /auth/register', { body })).json().user.display_name).toBe('ann@example.com')
  })

  it('rejects a taken address in any letter case', async () => {
    const api = await startApi(db)
    await api.register('ann')
    const response = await api.send('POST /auth/register', {
      body: { email: 'ANN@example.com', password: PASSWORD },
    })
    expect(response.statusCode).toBe(422)
    expect(response.json().errors).toEqual({ email: ['has already been taken'] })
  })

  it.each([
    ['email', { email: undefined }],
    ['email', { email: 'not an address' }],
    ['email', { email: `${'a'.repeat(161)}@example.com` }],
    ['email', { email: 5 }],
    ['password', { password: undefined }],
    ['password', { password: 'short' }],
    ['password', { password: 'password1234' }],
    ['password', { password: 'x'.repeat(129) }],
    ['password', { password: ['x'] }],
    ['display_name', { display_name: 'ab' }],
    ['display_name', { display_name: 'x'.repeat(21) }],
    ['display_name', { display_name: 5 }],
    ['displayName', { displayName: {} }],
  ])('reports the invalid field %s of %o', async (field, change) => {
    const api = await startApi(db)
    const body = { email: 'ann@example.com', password: PASSWORD, ...change }
    const response = await api.send('POST /auth/register', { body })
    expect(response.statusCode).toBe(422)
    expect(Object.keys(response.json().errors)).toEqual([field])
  })
})

describe('POST /auth/login', () => {
  it.each([
    ['a wrong password', { email: 'ann@example.com', password: 'wrong horse battery staple' }],
    ['an unknown account', { email: 'eve@example.com', password: PASSWORD }],
    ['what is no address', { email: 'x', password: PASSWORD }],
    ['an empty password', { email: 'ann@example.com', password: '' }],
  ])('responds identically to %s', async (_what, body) => {
    const api = await startApi(db)
    await api.register('ann')
    const response = await api.send('POST /auth/login', { body })
    expect(response.statusCode).toBe(401)
    expect(response.json()).toEqual({
      error: { code: 'invalid_credentials', message: 'Invalid email and/or password' },
    })
  })
})

describe('POST /auth/refresh', () => {
  it('returns the sign-in response without unread counts, with one statement', async () => {
    const api = await startApi(db)
    const [ann, bob, cleo] = [
      await api.register('ann'),
      await api.register('bob'),
      await api.register('cleo'),
    ]
    for (const other of [bob, cleo]) await api.startConversation(ann, other)
    const login = (await api.login('ann')).json<SignedIn>()
    const log = logStatements(db)
    const response = await api.send('POST /auth/refresh', { body: { token: login.refresh_token } })
    const ofDetails = log.statements.filter((statement) => statement.includes('"display_name"'))
    expect(ofDetails).toHaveLength(1)
    expect(log.statements.filter((statement) => statement.includes('message_groups'))).toEqual([])
    const counted = login.conversations as { unread?: number }[]
    const conversations = counted.map(({ unread: _, ...conversation }) => conversation)
    expect(response.json()).toMatchObject({ user: login.user, users: login.users })
    expect(response.json().conversations).toEqual(conversations)
  })

  it('returns only the tokens with brief', async () => {
    const api = await startApi(db)
    const { refresh_token: token } = await api.register('ann')
    const log = logStatements(db)
    const response = await api.send('POST /auth/refresh', { body: { token, brief: true } })
    expect(response.json()).toEqual({ auth_token: expect.any(String), refresh_token: expect.any(String) })
    expect(log.statements.filter((statement) => statement.includes('"display_name"'))).toEqual([])
    const wrong = await api.send('POST /auth/refresh', { body: { token, brief: 'yes' } })
    expect(wrong.statusCode).toBe(422)
  })

  it('rejects an unknown token and the token of an ended session', async () => {
    const api = await startApi(db)
    const { auth_token, refresh_token } = await api.register('ann')
    await api.send('POST /api/signout_all', { token: auth_token })
    for (const token of ['x', refresh_token]) {
      const response = await api.send('POST /auth/refresh', { body: { token } })
      expect(response.statusCode).toBe(400)
      expect(response.json()).toEqual({ error: { code: 'invalid_token', message: 'Invalid token' } })
    }
  })

  it('rejects a token after two weeks', async () => {
    const api = await startApi(db)
    const { refresh_token: token } = await api.register('ann')
    api.clock.jump(14 * 24 * 3_600_000)
    expect((await api.send('POST /auth/refresh', { body: { token } })).statusCode).toBe(400)
  })
})

describe('POST /auth/confirm', () => {
  it('accepts a token once', async () => {
    const api = await startApi(db)
    await api.register('ann')
    const body = { token: await api.tokenOfEmail('ann@example.com') }
    expect((await api.send('POST /auth/confirm', { body })).statusCode).toBe(204)
    expect((await api.send('POST /auth/confirm', { body })).statusCode).toBe(400)
  })
})

describe('resetting a password', () => {
  it('sets a new password with the token from the email, and ends all sessions', async () => {
    const api = await startApi(db)
    const ann = await api.register('ann')
    const asked = await api.send('POST /auth/password/request', { body: { email: 'ann@example.com' } })
    expect([asked.statusCode, asked.body]).toEqual([204, ''])
    const token = await api.tokenOfEmail('ann@example.com')
    for (let i = 0; i < 2; i++) {
      const response = await api.send('POST /auth/password/confirm', { body: { token } })
      expect(response.statusCode).toBe(200)
      expect(response.json()).toEqual({
        success: true,
        user: { id: ann.user.id, email: 'ann@example.com', display_name: 'ann Example', confirmed: false },
      })
    }
    const password = 'a wholly different sentence'
    const body = { token, new_password: password, new_password_confirmation: password }
    expect((await api.send('POST /auth/password/reset', { body })).statusCode).toBe(204)
    expect((await api.login('ann', password)).statusCode).toBe(200)
    expect((await api.send('GET /api/users', { token: ann.auth_token })).statusCode).toBe(401)
    expect((await api.send('POST /auth/password/reset', { body })).statusCode).toBe(400)
  })

  it('responds identically to an unknown address, and sends no email', async () => {
    const api = await startApi(db)
    const response = await api.send('POST /auth/password/request', { body: { email: 'eve@example.com' } })
    expect([response.statusCode, response.body]).toEqual([204, ''])
    expect(await api.emails()).toEqual([])
  })

  it.each([
    ['current_password', { password: 'wrong horse battery staple' }],
    ['new_password', { new_password: 'short', new_password_confirmation: 'short' }],
    ['new_password_confirmation', { new_password_confirmation: 'something else entirely' }],
  ])('reports the invalid field %s', async (field, change) => {
    const api = await startApi(db)
    await api.register('ann')
    await api.send('POST /auth/password/request', { body: { email: 'ann@example.com' } })
    const token = await api.tokenOfEmail('ann@example.com')
    const password = 'a wholly different sentence'
    const body = { token, new_password: password, new_password_confirmation: password, ...change }
    const response = await api.send('POST /auth/password/reset', { body })
    expect(response.statusCode).toBe(422)
    expect(Object.keys(response.json().errors)).toEqual([field])
  })

  it('accepts the right current password, and treats null as absent', async () => {
    const api = await startApi(db)
    for (const [name, password] of [
      ['ann', PASSWORD],
      ['bob', null],
    ] as const) {
      await api.register(name)
      await api.send('POST /auth/password/request', { body: { email: `${name}@example.com` } })
      const token = await api.tokenOfEmail(`${name}@example.com`)
      const fresh = 'a wholly different sentence'
      const body = { token, password, new_password: fresh, new_password_confirmation: fresh }
      expect((await api.send('POST /auth/password/reset', { body })).statusCode).toBe(204)
    }
  })
})

describe('POST /api/signout', () => {
  it('ends only the session of the refresh token, and requires no access token', async () => {
    const api = await startApi(db)
    const here = await api.register('ann')
    const there = (await api.login('ann')).json<SignedIn>()
    const body = { token: here.refresh_token }
    expect((await api.send('POST /api/signout', { body })).statusCode).toBe(204)
    expect((await api.send('GET /api/users', { token: here.auth_token })).statusCode).toBe(401)
    expect((await api.send('GET /api/users', { token: there.auth_token })).statusCode).toBe(200)
    expect((await api.send('POST /api/signout', { body })).statusCode).toBe(204)
  })

  it('rejects an unknown token', async () => {
    const api = await startApi(db)
    const response = await api.send('POST /api/signout', { body: { token: 'x' } })
    expect(response.statusCode).toBe(400)
    expect(response.json()).toEqual({ error: { code: 'invalid_token', message: 'Invalid token' } })
  })
})
