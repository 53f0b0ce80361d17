import { describe, expect, it } from 'vitest'
import { PASSWORD, startApi } from '../support/api.ts'
import { setUpDatabase } from '../support/set-up-database.ts'

const db = setUpDatabase()

const NEW_PASSWORD = 'a wholly different sentence'

describe('an access token', () => {
  it.each(['Bearer', 'bearer', 'BEARER'])('is accepted with the scheme spelled %s', async (scheme) => {
    const api = await startApi(db)
    const { auth_token } = await api.register('ann')
    const headers = { authorization: `${scheme} ${auth_token}` }
    expect((await api.send('GET /api/users', { headers })).statusCode).toBe(200)
  })

  it('is valid for 30 minutes', async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    api.clock.advance(30 * 60_000 - 1)
    expect((await api.send('GET /api/users', { token })).statusCode).toBe(200)
    api.clock.advance(1)
    const response = await api.send('GET /api/users', { token })
    expect(response.statusCode).toBe(401)
    expect(response.json()).toEqual({
      error: { code: 'token_expired', message: 'Authentication token is expired.' },
    })
  })
})

describe('POST /api/signout_all', () => {
  it('ends all sessions', async () => {
    const api = await startApi(db)
    const here = await api.register('ann')
    const there = (await api.login('ann')).json()
    expect((await api.send('POST /api/signout_all', { token: here.auth_token })).statusCode).toBe(204)
    for (const { auth_token, refresh_token } of [here, there]) {
      expect((await api.send('GET /api/users', { token: auth_token })).statusCode).toBe(401)
      expect((await api.send('POST /auth/refresh', { body: { token: refresh_token } })).statusCode).toBe(400)
    }
  })
})

describe('POST /api/token/email_confirm', () => {
  it('sends an email whose token confirms the address', async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    const first = await api.tokenOfEmail('ann@example.com')
    expect((await api.send('POST /api/token/email_confirm', { token })).statusCode).toBe(204)
    const second = await api.tokenOfEmail('ann@example.com')
    expect(second).not.toBe(first)
    expect((await api.send('POST /auth/confirm', { body: { token: second } })).statusCode).toBe(204)
  })
})

describe('changing the email address', () => {
  it('requires a token from an email, and ends all sessions', async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    expect((await api.send('POST /api/token/email_change', { token })).statusCode).toBe(204)
    const body = {
      token: await api.tokenOfEmail('ann@example.com'),
      email: 'anna@example.com',
      password: PASSWORD,
    }
    expect((await api.send('PATCH /api/email', { token, body })).statusCode).toBe(204)
    expect((await api.send('GET /api/users', { token })).statusCode).toBe(401)
    expect((await api.login('ann')).statusCode).toBe(401)
    expect((await api.login('anna')).json().user).toMatchObject({
      email: 'anna@example.com',
      confirmed_at: null,
    })
    const recipients = (await api.emails()).map(({ to }) => to)
    expect(recipients.slice(0, 2).sort()).toEqual(['ann@example.com', 'anna@example.com'])
  })

  it.each([
    [422, 'current_password', { password: 'wrong horse battery staple' }],
    [422, 'email', { email: 'bob@example.com' }],
    [422, 'email', { email: 'no address' }],
    [422, 'email', { email: null }],
    [400, undefined, { token: 'x' }],
  ])('responds with %i to an invalid %s', async (status, field, change) => {
    const api = await startApi(db)
    await api.register('bob')
    const { auth_token: token } = await api.register('ann')
    await api.send('POST /api/token/email_change', { token })
    const email = await api.tokenOfEmail('ann@example.com')
    const body = { token: email, email: 'anna@example.com', password: PASSWORD, ...change }
    const response = await api.send('PATCH /api/email', { token, body })
    expect(response.statusCode).toBe(status)
    expect(Object.keys(response.json().errors ?? {})).toEqual(field ? [field] : [])
  })

  it("rejects another user's token", async () => {
    const api = await startApi(db)
    const ann = await api.register('ann')
    const bob = await api.register('bob')
    await api.send('POST /api/token/email_change', { token: bob.auth_token })
    const body = {
      token: await api.tokenOfEmail('bob@example.com'),
      email: 'anna@example.com',
      password: PASSWORD,
    }
    expect((await api.send('PATCH /api/email', { token: ann.auth_token, body })).statusCode).toBe(400)
  })
})

describe('PATCH /api/password', () => {
  it('changes the password and ends all sessions', async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    const body = {
      password: PASSWORD,
      new_password: NEW_PASSWORD,
      new_password_confirmation: NEW_PASSWORD,
    }
    expect((await api.send('PATCH /api/password', { token, body })).statusCode).toBe(204)
    expect((await api.send('GET /api/users', { token })).statusCode).toBe(401)
    expect((await api.login('ann')).statusCode).toBe(401)
    expect((await api.login('ann', NEW_PASSWORD)).statusCode).toBe(200)
  })

  it.each([
    ['current_password', { password: 'wrong horse battery staple' }],
    ['password', { password: undefined }],
    ['new_password', { new_password: 'short', new_password_confirmation: 'short' }],
    ['new_password_confirmation', { new_password_confirmation: 'else' }],
  ])('reports the invalid field %s', async (field, change) => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    const body = {
      password: PASSWORD,
      new_password: NEW_PASSWORD,
      new_password_confirmation: NEW_PASSWORD,
      ...change,
    }
    const response = await api.send('PATCH /api/password', { token, body })
    expect(response.statusCode).toBe(422)
    expect(Object.keys(response.json().errors)).toEqual([field])
  })
})

describe.each(['documented', 'legacy'] as const)('the profile (%s)', (contract) => {
  it('updates only the fields that are sent, and returns all fields', async () => {
    const api = await startApi(db, { contract })
    const { auth_token: token } = await api.register('ann')
    const first = await api.send('PATCH /api/profile', { token, body: { theme: 'auto', magnification: 0.7 } })
    expect(first.statusCode).toBe(200)
    const rest = { magnification: 0.7, who_can_add: 'everyone' }
    expect(first.json()).toEqual({ hidden: false, theme: 'auto', recents: [], ...rest })
    const second = await api.send('PATCH /api/profile', { token, body: { hidden: true, recents: ['/a'] } })
    expect(second.json()).toEqual({ hidden: true, theme: 'auto', recents: ['/a'], ...rest })
    expect((await api.send('PATCH /api/profile', { token })).json()).toEqual(second.json())
    const { who_can_add: _, ...settings } = second.json()
    const { user } = (await api.login('ann')).json()
    expect(user).toMatchObject(settings)
    expect(user).not.toHaveProperty('who_can_add')
  })

  it('stores the recents of each user separately', async () => {
    const api = await startApi(db, { contract })
    const { auth_token: token } = await api.register('ann')
    const response = await api.send('POST /api/recents', { token, body: { recents: ['/a', '/b'] } })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({
      hidden: false,
      theme: contract === 'legacy' ? 'auto' : 'day',
      magnification: 1,
      recents: ['/a', '/b'],
      who_can_add: 'everyone',
    })
  })
})

describe('PATCH /api/profile', () => {
  it('can prevent non-contacts from adding the user to conversations and rooms', async () => {
    const api = await startApi(db)
    const [ann, eve] = [await api.register('ann'), await api.register('eve')]
    for (const who_can_add of ['nobody', 'contacts']) {
      const changed = await api.send('PATCH /api/profile', { token: ann.auth_token, body: { who_can_add } })
      expect(changed.json()).toMatchObject({ who_can_add })
      await expect(api.startConversation(eve, ann)).rejects.toMatchObject({ code: 'not_allowed_to_add' })
      const body = { room_name: 'Trap', user_ids: [ann.user.id] }
      const room = await api.send('POST /api/v1/chat/room-list', { token: eve.auth_token, body })
      expect(room.statusCode).toBe(403)
      expect(room.json()).toHaveProperty('error.code', 'not_allowed_to_add')
    }
    await api.startConversation(ann, eve)
    const odd = await api.send('PATCH /api/profile', {
      token: ann.auth_token,
      body: { who_can_add: 'friends' },
    })
    expect(odd.statusCode).toBe(422)
  })

  it.each([0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4])('accepts the magnification %d', async (magnification) => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    const response = await api.send('PATCH /api/profile', { token, body: { magnification } })
    expect(response.json()).toHaveProperty('magnification', magnification)
  })

  it.each([
    ['hidden', { hidden: 'true' }],
    ['hidden', { hidden: null }],
    ['theme', { theme: 'dusk' }],
    ['theme', { theme: 1 }],
    ['magnification', { magnification: 0.6 }],
    ['magnification', { magnification: 1.5 }],
    ['magnification', { magnification: 0.75 }],
    ['magnification', { magnification: '1' }],
    ['recents', { recents: 'x' }],
    ['recents', { recents: [1] }],
    ['recents', { recents: ['a\0b'] }],
    ['recents', { recents: Array(101).fill('x') }],
    ['recents', { recents: ['x'.repeat(2049)] }],
  ])('reports the invalid field %s of %o', async (field, body) => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    const response = await api.send('PATCH /api/profile', { token, body })
    expect(response.statusCode).toBe(422)
    expect(Object.keys(response.json().errors)).toEqual([field])
  })

  it('does not validate the items of recents that exceed the maximum', async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    const response = await api.send('PATCH /api/profile', {
      token,
      body: { recents: Array(500_000).fill(1) },
    })
    expect(response.json().errors).toEqual({ recents: ['must have at most 100 items'] })
  })
})
