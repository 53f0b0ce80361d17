import { describe, expect, it } from 'vitest'
import { type SignedIn, startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'

const db = setUpDatabase()

describe('a 429 response', () => {
  it('has a Retry-After after which the request succeeds', async () => {
    const api = await startApi(db)
    const body = { email: 'eve@example.com' }
    await api.send('POST /auth/password/request', { body })
    api.clock.advance(20_500)
    const response = await api.send('POST /auth/password/request', { body })
    expect(response.statusCode).toBe(429)
    expect(response.headers['retry-after']).toBe('40')
    expect(response.json()).toEqual({
      error: { code: 'rate_limited', message: 'Too many requests. Try again later.' },
    })
    api.clock.advance(39_500)
    expect((await api.send('POST /auth/password/request', { body })).statusCode).toBe(204)
  })
})

describe('logins', () => {
  it('are limited to 10 a minute per account as typed, whether or not it exists', async () => {
    const api = await startApi(db)
    await api.register('ann')
    for (const name of ['ann', 'eve']) {
      expect(await statuses(11, () => api.login(name, 'wrong'))).toEqual([...Array(10).fill(401), 429])
      expect((await api.login(name.toUpperCase())).statusCode).toBe(429)
    }
    expect((await api.login('bob')).statusCode).toBe(401)
    api.clock.advance(60_000)
    expect((await api.login('ann')).statusCode).toBe(200)
  })

  it('are limited to 600 a minute per address', async () => {
    const api = await startApi(db)
    const garbage = () => api.send('POST /auth/login', { body: {} })
    expect(new Set(await statuses(600, garbage))).toEqual(new Set([422]))
    expect((await garbage()).statusCode).toBe(429)
    expect((await api.send('POST /auth/login', { body: {}, from: '10.0.0.2' })).statusCode).toBe(422)
  })
})

it('limits registrations to 600 a minute per address', async () => {
  const api = await startApi(db)
  const garbage = () => api.send('POST /auth/register', { body: {} })
  expect(new Set(await statuses(600, garbage))).toEqual(new Set([422]))
  expect((await garbage()).statusCode).toBe(429)
})

describe('refreshes', () => {
  it('are limited to 120 a minute per session, whichever of its tokens is sent', async () => {
    const api = await startApi(db)
    const ann = await api.register('ann')
    const other = (await api.login('ann')).json<SignedIn>()
    let token = ann.refresh_token
    const refresh = async () => {
      const response = await api.send('POST /auth/refresh', { body: { token } })
      token = response.json().refresh_token ?? token
      return response
    }
    expect(await statuses(121, refresh)).toEqual([...Array(120).fill(200), 429])
    const { statusCode } = await api.send('POST /auth/refresh', { body: { token: other.refresh_token } })
    expect(statusCode).toBe(200)
  })

  it('with tokens of no session are limited to 600 a minute per address', async () => {
    const api = await startApi(db)
    const ann = await api.register('ann')
    let count = 0
    const garbage = () => api.send('POST /auth/refresh', { body: { token: `garbage ${count++}` } })
    expect(new Set(await statuses(600, garbage))).toEqual(new Set([400]))
    expect((await garbage()).statusCode).toBe(429)
    const { statusCode } = await api.send('POST /auth/refresh', { body: { token: ann.refresh_token } })
    expect(statusCode).toBe(200)
  })
})

describe('emails', () => {
  it.each([true, false])(
    'of one kind are sent once a minute per account, with rate limits enabled: %s',
    async (rateLimits) => {
      const api = await startApi(db, { rateLimits })
      const [ann, bob] = [await api.register('ann'), await api.register('bob')]
      for (const line of ['POST /api/token/email_confirm', 'POST /api/token/email_change']) {
        const request = ({ auth_token: token }: SignedIn) => api.send(line, { token })
        expect(await statuses(2, () => request(ann))).toEqual([204, 429])
        expect((await request(bob)).statusCode).toBe(204)
        api.clock.advance(60_000)
        expect((await request(ann)).statusCode).toBe(204)
      }
    },
  )

  it.each([true, false])(
    'to reset a password are limited by the email as typed, with rate limits enabled: %s',
    async (rateLimits) => {
      const api = await startApi(db, { rateLimits })
      await api.register('ann')
      for (const email of ['ann@example.com', 'eve@example.com']) {
        const request = (typed: string) => api.send('POST /auth/password/request', { body: { email: typed } })
        expect(await statuses(2, () => request(email))).toEqual([204, 429])
        expect((await request(` ${email.toUpperCase()} `)).statusCode).toBe(429)
      }
    },
  )

  it('are limited to 30 a minute per address', async () => {
    const api = await startApi(db)
    let count = 0
    const request = () =>
      api.send('POST /auth/password/request', { body: { email: `${count++}@example.com` } })
    expect(await statuses(31, request)).toEqual([...Array(30).fill(204), 429])
  })
})

describe('the email of a registration', () => {
  const register = (api: TestApi, email: string, from = '10.0.0.1') =>
    api.send('POST /api/v1/user/register/', { body: { email }, from })

  it('counts towards 30 a minute per address; over the limit the account is created and its user requests the email later', async () => {
    const api = await startApi(db)
    let count = 0
    const created = await statuses(60, () => register(api, `${count++}@example.com`))
    expect(new Set(created)).toEqual(new Set([201]))
    expect(await api.emails()).toHaveLength(30)
    const body = { email: '59@example.com' }
    const request = () => api.send('POST /api/v1/user/verify-email/begin/', { body, from: '10.0.0.1' })
    expect((await request()).statusCode).toBe(429)
    api.clock.advance(60_000)
    expect((await request()).statusCode).toBe(200)
    expect(await api.emails()).toHaveLength(31)
  })

  it('counts towards 5 a minute to the sub-addresses of a mailbox, over all networks', async () => {
    const api = await startApi(db)
    let count = 0
    await statuses(20, () => register(api, `victim+${count++}@example.com`, `10.0.${count}.1`))
    expect(await api.emails()).toHaveLength(5)
    const begin = (email: string) => api.send('POST /api/v1/user/verify-email/begin/', { body: { email } })
    expect((await begin('Victim+7@example.com')).statusCode).toBe(429)
    expect((await register(api, 'victim@example.com')).statusCode).toBe(201)
    expect((await api.emails())[0]!.to).toBe('victim@example.com')
  })
})

describe('other requests', () => {
  it('are limited to 1,200 a minute per user, over all sessions and addresses', async () => {
    const api = await startApi(db)
    const [ann, bob] = [await api.register('ann'), await api.register('bob')]
    const elsewhere = (await api.login('ann')).json<SignedIn>()
    const request = ({ auth_token: token }: SignedIn, from = '127.0.0.1') => {
      return api.send('GET /api/conversations/private/undefined', { token, from })
    }
    expect(new Set(await statuses(1_200, () => request(ann)))).toEqual(new Set([200]))
    expect((await request(ann)).statusCode).toBe(429)
    expect((await request(elsewhere, '10.0.0.2')).statusCode).toBe(429)
    expect((await request(bob)).statusCode).toBe(200)
  })

  it('are limited to 1,200 a minute per address when not authenticated', async () => {
    const api = await startApi(db)
    const ann = await api.register('ann')
    const lines = ['GET /api/users', 'POST /auth/confirm']
    let count = 0
    const request = (from: string) => api.send(lines[count++ % 2]!, { from, token: 'x', body: undefined })
    expect(new Set(await statuses(1_200, () => request('10.0.0.1')))).toEqual(new Set([401, 422]))
    expect(await statuses(2, () => request('10.0.0.1'))).toEqual([429, 429])
    expect((await request('10.0.0.2')).statusCode).toBeLessThan(429)
    const { statusCode } = await api.send('GET /api/users', { token: ann.auth_token, from: '10.0.0.1' })
    expect(statusCode).toBe(200)
  })

  it('from one IPv6 /64 network count as one address', async () => {
    const api = await startApi(db)
    let count = 0
    const request = () => {
      const from = `2001:db8:1:1::${(count++).toString(16)}`
      return api.send('POST /auth/password/request', { body: { email: `${count}@example.com` }, from })
    }
    expect(await statuses(31, request)).toEqual([...Array(30).fill(204), 429])
  })
})

it('lifts the limits with RATE_LIMITS=off', async () => {
  const api = await startApi(db, { rateLimits: false })
  await api.register('ann')
  const attempts = await statuses(20, () =>
    api.send('POST /auth/login', { body: { email: 'ann@example.com', password: '' } }),
  )
  expect(new Set(attempts)).toEqual(new Set([401]))
  expect(new Set(await statuses(700, () => api.send('POST /auth/register', { body: {} })))).toEqual(
    new Set([422]),
  )
})

/** Sends requests one after another. @returns their statuses. */
async function statuses(times: number, request: () => ReturnType<TestApi['send']>): Promise<number[]> {
  const received: number[] = []
  for (let i = 0; i < times; i++) received.push((await request()).statusCode)
  return received
}
