import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { startApi, type TestApi } from '../support/api.ts'
import { openTestDatabase } from '../support/database.ts'

let db: Database
beforeAll(async () => {
  db = await openTestDatabase()
})
afterAll(() => db.close())

interface UsersPage {
  items: { email: string }[]
  page_token: string | null
}

describe('GET /api/users', () => {
  it('lists everyone but the caller, newest first (documented)', async () => {
    const { api, token } = await withUsers()
    const response = await api.send('GET /api/users', { token })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({
      items: ['cid', 'bob'].map((name) => ({
        id: expect.any(String),
        email: `${name}@example.com`,
        display_name: `${name} Example`,
      })),
      page_token: null,
    })
  })

  it('lists them under a name (legacy)', async () => {
    const { api, token } = await withUsers({ contract: 'legacy' })
    const { users, ...rest } = (await api.send('GET /api/users', { token })).json()
    expect(rest).toEqual({})
    expect(emails(users)).toEqual(['cid@example.com', 'bob@example.com'])
    expect(users.page_token).toBe('')
  })

  it('gives pages of the size that is asked for', async () => {
    const { api, token } = await withUsers()
    const first = (await api.send('GET /api/users?page_size=1', { token })).json<UsersPage>()
    expect(emails(first)).toEqual(['cid@example.com'])
    const next = `GET /api/users?page_size=1&page_token=${first.page_token}`
    const second = (await api.send(next, { token })).json<UsersPage>()
    expect(emails(second)).toEqual(['bob@example.com'])
    expect(second.page_token).toBeNull()
  })

  it('takes the empty token of the legacy end for the first page', async () => {
    const { api, token } = await withUsers({ contract: 'legacy' })
    const { users } = (await api.send('GET /api/users?page_token=', { token })).json()
    expect(users.items).toHaveLength(2)
  })

  it.each([
    ['CID', ['cid@example.com']],
    ['b ex', ['bob@example.com']],
    ['%', []],
    ['_', []],
    ['ann', []],
    ['', ['cid@example.com', 'bob@example.com']],
  ])('searches for %s', async (search, expected) => {
    const { api, token } = await withUsers()
    const url = `GET /api/users?${new URLSearchParams({ search })}`
    expect(emails((await api.send(url, { token })).json())).toEqual(expected)
  })

  it('refuses a page token that is changed, or of another user or search', async () => {
    const { api, token } = await withUsers()
    const { page_token } = (await api.send('GET /api/users?page_size=1', { token })).json<UsersPage>()
    const other = (await api.login('bob')).json().auth_token
    const attempts: [string, string][] = [
      [token, `page_token=x${page_token}`],
      [token, 'page_token=x'],
      [token, `page_token=${page_token}&search=b`],
      [other, `page_token=${page_token}`],
    ]
    for (const [caller, query] of attempts) {
      const response = await api.send(`GET /api/users?${query}`, { token: caller })
      expect(response.statusCode).toBe(400)
      expect(response.json()).toHaveProperty('error.code', 'invalid_page_token')
    }
  })

  it.each(['0', '101', '-1', '1.5', '1e1', '', 'x', '+5', '%205', '1&page_size=2'])(
    'refuses a page size of %s',
    async (size) => {
      const { api, token } = await withUsers()
      const response = await api.send(`GET /api/users?page_size=${size}`, { token })
      expect(response.statusCode).toBe(422)
      expect(Object.keys(response.json().errors)).toEqual(['page_size'])
    },
  )

  it.each(['1', '20', '100'])('takes a page size of %s', async (size) => {
    const { api, token } = await withUsers()
    expect((await api.send(`GET /api/users?page_size=${size}`, { token })).statusCode).toBe(200)
  })
})

async function withUsers(
  config: Parameters<typeof startApi>[1] = {},
): Promise<{ api: TestApi; token: string }> {
  const api = await startApi(db, config)
  const { auth_token: token } = await api.register('ann')
  for (const name of ['bob', 'cid']) await api.register(name)
  return { api, token }
}

function emails({ items }: UsersPage): string[] {
  return items.map(({ email }) => email)
}
