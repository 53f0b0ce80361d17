import { describe, expect, it } from 'vitest'
import { PASSWORD, type SignedIn, startApi, type TestApi } from '../../support/api.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'
import { signIn, startWithProvider, users } from '../../support/social-sign-in.ts'

const db = setUpDatabase()

const VICTIM = { email: 'victim@bücher.example', password: PASSWORD }
/** The database would fold the first into the victim's address; the others are the victim's. */
const FOLDED = 'v\u0130ctim@bücher.example'
const SPELLINGS = ['VICTIM@bücher.example', 'victim@BÜCHER.example', 'victim@xn--bcher-kva.example']

function login(api: TestApi, email: string, password: string) {
  return api.send('POST /auth/login', { body: { email, password } })
}

async function statuses(times: number, request: (count: number) => ReturnType<TestApi['send']>) {
  const seen: number[] = []
  for (let i = 0; i < times; i++) seen.push((await request(i)).statusCode)
  return seen
}

describe('another spelling of an address', () => {
  it('is the same account if the canonical address is the same', async () => {
    const api = await startApi(db)
    await api.send('POST /auth/register', { body: VICTIM })
    for (const email of SPELLINGS) {
      expect((await login(api, email, PASSWORD)).statusCode).toBe(200)
      const again = await api.send('POST /auth/register', { body: { ...VICTIM, email } })
      expect(again.json().errors).toEqual({ email: ['has already been taken'] })
    }
  })

  it('is another account if only case folding makes them equal', async () => {
    const api = await startApi(db)
    await api.send('POST /auth/register', { body: VICTIM })
    expect((await login(api, FOLDED, PASSWORD)).statusCode).toBe(401)
    const other = await api.send('POST /auth/register', { body: { ...VICTIM, email: FOLDED } })
    expect(other.statusCode).toBe(200)
    await api.send('POST /auth/password/request', { body: { email: FOLDED } })
    const resets = (await api.emails()).filter(({ subject }) => subject === 'Reset your password')
    expect(resets.map(({ to }) => to)).toEqual([FOLDED])
  })

  it('that a provider has verified does not sign in to an account with a case-folded address', async () => {
    const { api, server, browser } = await startWithProvider(db)
    await api.register('victim')
    await api.send('POST /auth/confirm', { body: { token: await api.tokenOfEmail('victim@example.com') } })
    server.accounts.set('eve', { email: 'v\u0130ctim@example.com', email_verified: true })
    expect((await signIn(browser, 'eve')).statusCode).toBe(201)
    expect(await users(db)).toMatchObject([
      { email: 'victim@example.com', subjects: [] },
      { email: 'v\u0130ctim@example.com', subjects: ['eve'] },
    ])
  })

  it('shares the login limit of the account', async () => {
    const api = await startApi(db)
    await api.send('POST /auth/register', { body: VICTIM })
    const guess = (count: number) => login(api, SPELLINGS[count % SPELLINGS.length]!, 'wrong')
    expect(await statuses(11, guess)).toEqual([...Array(10).fill(401), 429])
    expect(await statuses(10, () => login(api, FOLDED, 'wrong'))).toEqual(Array(10).fill(401))
  })
})

describe('a wrong password in another request', () => {
  const change = {
    new_password: 'seven quiet herons wade',
    new_password_confirmation: 'seven quiet herons wade',
  }

  async function setUpThief() {
    const api = await startApi(db)
    const ann = await api.register('ann')
    return { api, token: ann.auth_token }
  }

  it('to change the password counts as a login', async () => {
    const { api, token } = await setUpThief()
    const guess = (count: number) =>
      count % 2
        ? api.login('ann', 'wrong')
        : api.send('PATCH /api/password', { token, body: { password: 'wrong', ...change } })
    expect(await statuses(11, guess)).toEqual([...Array(5).fill([422, 401]).flat(), 429])
    expect((await api.login('ann')).statusCode).toBe(429)
    api.clock.advance(60_000)
    const right = { password: PASSWORD, ...change }
    expect((await api.send('PATCH /api/password', { token, body: right })).statusCode).toBe(204)
  })

  it('to change the address counts as a login', async () => {
    const { api, token } = await setUpThief()
    await api.send('POST /api/token/email_change', { token })
    await api.emails()
    const emailToken = await api.tokenOfEmail('ann@example.com')
    const body = { token: emailToken, email: 'eve@example.com', password: 'wrong' }
    const guess = () => api.send('PATCH /api/email', { token, body })
    expect(await statuses(11, guess)).toEqual([...Array(10).fill(422), 429])
    expect((await api.login('ann')).statusCode).toBe(429)
  })

  it('to reset the password counts as a login, and a reset without one does not', async () => {
    const { api } = await setUpThief()
    await api.send('POST /auth/password/request', { body: { email: 'ann@example.com' } })
    const emailToken = await api.tokenOfEmail('ann@example.com')
    const reset = (password?: string) =>
      api.send('POST /auth/password/reset', {
        body: { token: emailToken, ...change, ...(password && { password }) },
      })
    expect(await statuses(11, () => reset('wrong'))).toEqual([...Array(10).fill(422), 429])
    expect((await reset()).statusCode).toBe(204)
    const { statusCode } = await api.login('ann', change.new_password)
    expect(statusCode).toBe(429)
  })

  it('does not count towards the limit of another account', async () => {
    const { api, token } = await setUpThief()
    const bob = await api.register('bob')
    const guess = (one: Pick<SignedIn, 'auth_token'>) =>
      api.send('PATCH /api/password', { token: one.auth_token, body: { password: 'wrong', ...change } })
    await statuses(11, () => guess({ auth_token: token }))
    expect((await guess(bob)).statusCode).toBe(422)
  })
})
