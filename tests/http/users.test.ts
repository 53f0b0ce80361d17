import { describe, expect, it } from 'vitest'
import { PASSWORD, type SignedIn, startApi, type TestApi } from '../support/api.ts'
import { setUpDatabase } from '../support/set-up-database.ts'

const db = setUpDatabase()

interface UsersPage {
  items: { email: string }[]
  page_token: string | null
}

describe('GET /api/users', () => {
  it('lists all other users, newest first (documented)', async () => {
    const { api, token } = await withUsers()
    const response = await api.send('GET /api/users', { token })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({
      items: ['cid', 'bob'].map((name) => ({
        id: expect.any(String),
        email: `${name}@example.com`,
        display_name: `${name} Example`,
        confirmed: false,
      })),
      page_token: null,
    })
  })

  it.each(['documented', 'legacy'] as const)(
    'marks users with an unverified email in every response (%s)',
    async (contract) => {
      const { api } = await withUsers({ contract })
      const body = { email: 'boss@company.example', password: PASSWORD }
      const boss = (await api.send('POST /auth/register', { body })).json<SignedIn>()
      await api.send('POST /auth/confirm', { body: { token: await api.tokenOfEmail('bob@example.com') } })
      const bob = (await api.login('bob')).json<SignedIn>()
      await api.startConversation(boss, bob)

      const response = (await api.send('GET /api/users', { token: bob.auth_token })).json()
      const { items } = contract === 'legacy' ? response.users : response
      const { user, users } = (await api.login('bob')).json()
      expect(items).toContainEqual(summary(boss, { confirmed: false }))
      expect(users).toEqual([summary(boss, { confirmed: false })])
      expect(user).toMatchObject(summary(bob, { confirmed: true }))
    },
  )

  it('lists users under a key (legacy)', async () => {
    const { api, token } = await withUsers({ contract: 'legacy' })
    const { users, ...rest } = (await api.send('GET /api/users', { token })).json()
    expect(rest).toEqual({})
    expect(emails(users)).toEqual(['cid@example.com', 'bob@example.com'])
    expect(users.page_token).toBe('')
  })

  it('returns pages of the requested size', async () => {
    const { api, token } = await withUsers()
    const first = (await api.send('GET /api/users?page_size=1', { token })).json<UsersPage>()
    expect(emails(first)).toEqual(['cid@example.com'])
    const next = `GET /api/users?page_size=1&page_token=${first.page_token}`
    const second = (await api.send(next, { token })).json<UsersPage>()
    expect(emails(second)).toEqual(['bob@example.com'])
    expect(second.page_token).toBeNull()
  })

  it('treats an empty page token as absent', async () => {
    const { api, token } = await withUsers({ contract: 'legacy' })
    const { users } = (await api.send('GET /api/users?page_token=', { token })).json()
    expect(users.items).toHaveLength(2)
  })

  it.each([
    ['CID', ['cid@example.com']],
    ['id@', ['cid@example.com']],
    ['ID', []],
    ['Ci', ['cid@example.com']],
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

  it('allows sixty searches a minute, and other pages independently', async () => {
    const { api, token } = await withUsers()
    const search = async () => (await api.send('GET /api/users?search=%25', { token })).statusCode
    for (let i = 0; i < 60; i++) expect(await search()).toBe(200)
    expect(await search()).toBe(429)
    expect((await api.send('GET /api/users?search=', { token })).statusCode).toBe(200)
    api.clock.advance(60_000)
    expect(await search()).toBe(200)
  })

  it('rejects a modified page token, and one of another user or search', async () => {
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
    'rejects the page size %s',
    async (size) => {
      const { api, token } = await withUsers()
      const response = await api.send(`GET /api/users?page_size=${size}`, { token })
      expect(response.statusCode).toBe(422)
      expect(Object.keys(response.json().errors)).toEqual(['page_size'])
    },
  )

  it.each(['1', '20', '100'])('accepts the page size %s', async (size) => {
    const { api, token } = await withUsers()
    expect((await api.send(`GET /api/users?page_size=${size}`, { token })).statusCode).toBe(200)
  })
})

describe('GET /api/users with DIRECTORY=members', () => {
  async function members() {
    const api = await startApi(db, { directory: 'members' })
    const [ann, bob, cid] = [await api.register('ann'), await api.register('bob'), await api.register('cid')]
    const body = { email: 'eve@company.example', password: PASSWORD }
    const eve = (await api.send('POST /auth/register', { body })).json<SignedIn>()
    await api.startConversation(ann, bob)
    const list = async (search = '') => {
      const query = new URLSearchParams({ search })
      return (await api.send(`GET /api/users?${query}`, { token: ann.auth_token })).json<UsersPage>().items
    }
    return { api, ann, bob, cid, eve, list }
  }

  it('lists the users who share a conversation or a room with the caller', async () => {
    const { api, ann, bob, cid, list } = await members()
    expect(await list()).toEqual([summary(bob, { confirmed: false })])
    const room = { room_name: 'Chamber', user_ids: [ann.user.id] }
    await api.send('POST /api/v1/chat/room-list/', { token: cid.auth_token, body: room })
    expect(await list()).toEqual([cid, bob].map((one) => summary(one, { confirmed: false })))
  })

  it('finds non-contacts by a part of the display name, without their email', async () => {
    const { cid, list } = await members()
    const nonContact = { ...summary(cid, { confirmed: false }), email: null }
    expect(await list('CID exa')).toEqual([nonContact])
    expect(await list('ci')).toEqual([nonContact])
  })

  it('finds non-contacts only by the whole email, also when it is their display name', async () => {
    const { eve, list } = await members()
    for (const part of ['eve', 'ev', 'company', 'eve@company.exampl', '@company', '%']) {
      expect(await list(part), part).toEqual([])
    }
    expect(await list(' Eve@Company.example')).toEqual([
      {
        id: eve.user.id,
        email: null,
        display_name: expect.stringMatching(/^user-[a-z0-9]{10}$/),
        confirmed: false,
      },
    ])
  })

  it('finds contacts by a part of their email', async () => {
    const { bob, list } = await members()
    expect(await list('bob@ex')).toEqual([summary(bob, { confirmed: false })])
  })

  it('returns pages of search results', async () => {
    const { api, ann, cid, list } = await members()
    await api.startConversation(ann, cid)
    const page = async (token: string) => {
      const url = `GET /api/users?page_size=1&page_token=${token}`
      return (await api.send(url, { token: ann.auth_token })).json<UsersPage>()
    }
    const first = await page('')
    const second = await page(first.page_token!)
    expect([...first.items, ...second.items]).toEqual(await list())
    expect(second.page_token).toBeNull()
  })
})

function summary({ user: { id, email, display_name } }: SignedIn, { confirmed }: { confirmed: boolean }) {
  return { id, email, display_name, confirmed }
}

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
