import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { windowStore } from '../../src/http/plugins/rate-limit-store.ts'
import { type SignedIn, startApi, type TestApi } from '../support/api.ts'
import { ManualClock } from '../support/clock.ts'
import { openTestDatabase } from '../support/database.ts'

let db: Database
beforeAll(async () => {
  db = await openTestDatabase()
})
afterAll(() => db.close())

describe('an answer that there were too many', () => {
  it('says when to come back, and keeps its word', async () => {
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
  it('are limited to 10 a minute per account as typed, whether it exists', async () => {
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
  it('are limited to 30 a minute per session, whichever of its tokens is sent', async () => {
    const api = await startApi(db)
    const ann = await api.register('ann')
    const other = (await api.login('ann')).json<SignedIn>()
    let token = ann.refresh_token
    const refresh = async () => {
      const response = await api.send('POST /auth/refresh', { body: { token } })
      token = response.json().refresh_token ?? token
      return response
    }
    expect(await statuses(31, refresh)).toEqual([...Array(30).fill(200), 429])
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

describe('letters', () => {
  it.each([true, false])(
    'of one kind leave once a minute per account, with limits on: %s',
    async (rateLimits) => {
      const api = await startApi(db, { rateLimits })
      const [ann, bob] = [await api.register('ann'), await api.register('bob')]
      for (const line of ['POST /api/token/email_confirm', 'POST /api/token/email_change']) {
        const ask = ({ auth_token: token }: SignedIn) => api.send(line, { token })
        expect(await statuses(2, () => ask(ann))).toEqual([204, 429])
        expect((await ask(bob)).statusCode).toBe(204)
        api.clock.advance(60_000)
        expect((await ask(ann)).statusCode).toBe(204)
      }
    },
  )

  it.each([true, false])(
    'to reset a password go by the address as typed, with limits on: %s',
    async (rateLimits) => {
      const api = await startApi(db, { rateLimits })
      await api.register('ann')
      for (const email of ['ann@example.com', 'eve@example.com']) {
        const ask = (typed: string) => api.send('POST /auth/password/request', { body: { email: typed } })
        expect(await statuses(2, () => ask(email))).toEqual([204, 429])
        expect((await ask(` ${email.toUpperCase()} `)).statusCode).toBe(429)
      }
    },
  )

  it('are limited to 30 a minute per address', async () => {
    const api = await startApi(db)
    let count = 0
    const ask = () => api.send('POST /auth/password/request', { body: { email: `${count++}@example.com` } })
    expect(await statuses(31, ask)).toEqual([...Array(30).fill(204), 429])
  })
})

describe('other requests', () => {
  it('are limited to 1,200 a minute per user, from wherever they come', async () => {
    const api = await startApi(db)
    const [ann, bob] = [await api.register('ann'), await api.register('bob')]
    const elsewhere = (await api.login('ann')).json<SignedIn>()
    const ask = ({ auth_token: token }: SignedIn, from = '127.0.0.1') => {
      return api.send('GET /api/conversations/private/undefined', { token, from })
    }
    expect(new Set(await statuses(1_200, () => ask(ann)))).toEqual(new Set([200]))
    expect((await ask(ann)).statusCode).toBe(429)
    expect((await ask(elsewhere, '10.0.0.2')).statusCode).toBe(429)
    expect((await ask(bob)).statusCode).toBe(200)
  })

  it('are limited to 1,200 a minute per address when nobody is signed in', async () => {
    const api = await startApi(db)
    const ann = await api.register('ann')
    const lines = ['GET /api/users', 'POST /auth/confirm']
    let count = 0
    const ask = (from: string) => api.send(lines[count++ % 2]!, { from, token: 'x', body: undefined })
    expect(new Set(await statuses(1_200, () => ask('10.0.0.1')))).toEqual(new Set([401, 422]))
    expect(await statuses(2, () => ask('10.0.0.1'))).toEqual([429, 429])
    expect((await ask('10.0.0.2')).statusCode).toBeLessThan(429)
    const { statusCode } = await api.send('GET /api/users', { token: ann.auth_token, from: '10.0.0.1' })
    expect(statusCode).toBe(200)
  })

  it('count an IPv6 network as one address', async () => {
    const api = await startApi(db)
    let count = 0
    const ask = () => {
      const from = `2001:db8:1:1::${(count++).toString(16)}`
      return api.send('POST /auth/password/request', { body: { email: `${count}@example.com` }, from })
    }
    expect(await statuses(31, ask)).toEqual([...Array(30).fill(204), 429])
  })
})

it('lifts the limits when it is told to', async () => {
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

describe('the store', () => {
  it('forgets the keys not seen for longest, so that it cannot grow without end', async () => {
    const Store = windowStore(new ManualClock())
    const store = new Store({})
    const count = (key: string) =>
      new Promise<number>((resolve) =>
        store.incr(key, (_error, result) => resolve(result!.current), 60_000, 1),
      )
    await count('old')
    await count('seen again')
    for (let i = 0; i < 24_990; i++) await count(`key ${i}`)
    expect(await count('seen again')).toBe(2)
    for (let i = 0; i < 100; i++) await count(`more ${i}`)
    expect(await count('seen again')).toBe(3)
    expect(await count('old')).toBe(1)
  })
})

/** The statuses of several requests, one after another. */
async function statuses(times: number, request: () => ReturnType<TestApi['send']>): Promise<number[]> {
  const seen: number[] = []
  for (let i = 0; i < times; i++) seen.push((await request()).statusCode)
  return seen
}
