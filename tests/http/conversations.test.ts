import { v7 as newId } from 'uuid'
import { describe, expect, it } from 'vitest'
import { PASSWORD, type SignedIn, startApi, type TestApi } from '../support/api.ts'
import { setUpDatabase } from '../support/set-up-database.ts'

const db = setUpDatabase()

interface MessagesPage {
  items: { content: string; seq: number }[]
  page_token: string | null
}

describe('GET /api/conversations/private/:user_id', () => {
  it('returns the id of the private conversation to both users', async () => {
    const { api, ann, bob, id } = await startWithMessages()
    for (const [caller, other] of [
      [ann, bob],
      [bob, ann],
    ] as const) {
      const line = `GET /api/conversations/private/${other.user.id}`
      const response = await api.send(line, { token: caller.auth_token })
      expect(response.statusCode).toBe(200)
      expect(response.json()).toEqual({ conversation_id: id })
    }
  })

  it.each([
    'undefined',
    'null',
    '01890000-0000-7000-8000-000000000000',
    'urn:uuid:01890000-0000-7000-8000-000000000000',
    'x'.repeat(5_000),
    '%00',
    '%20',
  ])('returns null for %s', async (id) => {
    const { api, ann } = await startWithMessages()
    const response = await api.send(`GET /api/conversations/private/${id}`, { token: ann.auth_token })
    expect(response.statusCode).toBe(200)
    expect(response.json()).toEqual({ conversation_id: null })
  })

  it('returns null for the caller, and for a user without a private conversation', async () => {
    const { api, ann } = await startWithMessages()
    const cid = await api.register('cid')
    for (const { user } of [ann, cid]) {
      const response = await api.send(`GET /api/conversations/private/${user.id}`, { token: ann.auth_token })
      expect(response.json()).toEqual({ conversation_id: null })
    }
  })
})

describe.each([
  ['documented', null],
  ['legacy', ''],
] as const)('the conversations of a user (%s)', (contract, end) => {
  const ids = (items: { id: string }[]) => items.map(({ id }) => id)

  it('are limited to the newest 500 in the sign-in response, and paged beyond', async () => {
    const api = await startApi(db, { contract })
    const { body, all, creators } = await withConversations(api, 603)
    const login = (await api.send('POST /auth/login', { body })).json()
    const refresh = (await api.send('POST /auth/refresh', { body: { token: login.refresh_token } })).json()
    for (const signedIn of [login, refresh]) {
      expect(ids(signedIn.conversations)).toEqual(all.slice(0, 500))
      expect(ids(signedIn.users).sort()).toEqual(creators.slice(0, 500).sort())
    }
    const pages: string[][] = []
    const people: string[] = []
    for (let token = refresh.conversations_page_token; token; ) {
      const line = `GET /api/conversations?page_size=50&page_token=${token}`
      const page = (await api.send(line, { token: login.auth_token })).json()
      expect(Object.keys(page).sort()).toEqual(['items', 'page_token', 'users'])
      pages.push(ids(page.items))
      people.push(...ids(page.users))
      token = page.page_token
      if (!token) expect(token).toBe(end)
    }
    expect(pages.map(({ length }) => length)).toEqual([50, 50, 3])
    expect(pages.flat()).toEqual(all.slice(500))
    expect(people.sort()).toEqual(creators.slice(500).sort())
    const newest = (await api.send('GET /api/conversations', { token: login.auth_token })).json()
    expect(ids(newest.items)).toEqual(all.slice(0, 20))
    expect(newest.items[0]).toEqual(login.conversations[0])
  })

  it('have no page token on the last page, and reject a page token of another user', async () => {
    const api = await startApi(db, { contract })
    const { body } = await withConversations(api, 3)
    const login = (await api.send('POST /auth/login', { body })).json()
    expect(login).toMatchObject({ conversations_page_token: null, conversations: [{}, {}, {}] })
    const page = (await api.send('GET /api/conversations?page_size=1', { token: login.auth_token })).json()
    const eve = await api.register('eve')
    expect(eve).toMatchObject({ conversations: [], conversations_page_token: null, users: [] })
    const line = `GET /api/conversations?page_token=${page.page_token}`
    expect((await api.send(line, { token: eve.auth_token })).statusCode).toBe(400)
    expect((await api.send('GET /api/conversations')).statusCode).toBe(401)
  })
})

describe('GET /api/messages', () => {
  it("returns the caller's copy of every message, newest first (documented)", async () => {
    const { api, ann, bob, id } = await startWithMessages()
    const response = await api.send(`GET /api/messages?conversation_id=${id}`, { token: bob.auth_token })
    expect(response.statusCode).toBe(200)
    const { items, page_token } = response.json()
    expect(page_token).toBeNull()
    expect(items.map(({ content }: { content: string }) => content)).toEqual([
      '3 for bob',
      '2 for bob',
      '1 for bob',
    ])
    expect(items[0]).toEqual({
      id: expect.any(String),
      sender: ann.user.id,
      content: '3 for bob',
      inserted_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updated_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      message_group: expect.any(String),
      seq: 3,
    })
  })

  it('returns the messages under a key, with legacy times (legacy)', async () => {
    const { api, bob, id } = await startWithMessages({ contract: 'legacy' })
    const line = `GET /api/messages?conversation_id=${id}`
    const { messages, ...rest } = (await api.send(line, { token: bob.auth_token })).json()
    expect(rest).toEqual({})
    expect(messages.page_token).toBe('')
    expect(messages.items[0].inserted_at).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}Z$/)
  })

  it('returns pages of the requested size', async () => {
    const { api, ann, id } = await startWithMessages()
    const line = `GET /api/messages?conversation_id=${id}&page_size=2`
    const first = (await api.send(line, { token: ann.auth_token })).json<MessagesPage>()
    expect(first.items.map(({ seq }) => seq)).toEqual([3, 2])
    const next = await api.send(`${line}&page_token=${first.page_token}`, { token: ann.auth_token })
    expect(next.json<MessagesPage>().items.map(({ seq }) => seq)).toEqual([1])
    expect(next.json()).toHaveProperty('page_token', null)
  })

  it('rejects non-members and unknown conversations', async () => {
    const { api, id } = await startWithMessages()
    const { auth_token: token } = await api.register('eve')
    for (const conversation of [id, '01890000-0000-7000-8000-000000000000']) {
      const response = await api.send(`GET /api/messages?conversation_id=${conversation}`, { token })
      expect(response.statusCode).toBe(403)
      expect(response.json()).toHaveProperty('error.code', 'no_conversation')
    }
  })

  it.each(['', '?conversation_id=', '?conversation_id=x', '?conversation_id=undefined'])(
    'requires a valid conversation_id: %s',
    async (query) => {
      const { api, ann } = await startWithMessages()
      const response = await api.send(`GET /api/messages${query}`, { token: ann.auth_token })
      expect(response.statusCode).toBe(422)
      expect(Object.keys(response.json().errors)).toEqual(['conversation_id'])
    },
  )

  it.each(['0', '101', 'x'])('rejects the page size %s', async (size) => {
    const { api, ann, id } = await startWithMessages()
    const line = `GET /api/messages?conversation_id=${id}&page_size=${size}`
    expect((await api.send(line, { token: ann.auth_token })).statusCode).toBe(422)
  })

  it('rejects a modified page token, and one of another user', async () => {
    const { api, ann, bob, id } = await startWithMessages()
    const line = `GET /api/messages?conversation_id=${id}&page_size=1`
    const { page_token } = (await api.send(line, { token: ann.auth_token })).json<MessagesPage>()
    for (const [caller, pageToken] of [
      [ann, `${page_token}x`.slice(1)],
      [bob, page_token],
    ] as const) {
      const response = await api.send(`${line}&page_token=${pageToken}`, { token: caller.auth_token })
      expect(response.statusCode).toBe(400)
    }
  })
})

/** Registers Ann, and adds her to a group of each of many users. Returns the groups and their creators, newest first. */
async function withConversations(api: TestApi, count: number) {
  const ann = await api.register('ann')
  const [all, creators] = [1, 2].map(() => Array.from({ length: count }, () => newId()).reverse())
  await api.database.rows(
    `insert into users (id, short_id, email, username, display_name) select id, id, id, id, id
    from unnest($1::uuid[]) as t (id)`,
    [creators],
  )
  await api.database.rows(
    'insert into conversations (id, private) select id, false from unnest($1::uuid[]) as t (id)',
    [all],
  )
  await api.database.rows(
    `insert into members (conversation_id, user_id)
    select c, u from unnest($1::uuid[], $2::uuid[]) as t (c, u) union all select c, $3::uuid from unnest($1::uuid[]) as t (c)`,
    [all, creators, ann.user.id],
  )
  return { body: { email: 'ann@example.com', password: PASSWORD }, all: all!, creators: creators! }
}

interface Messages {
  api: TestApi
  ann: SignedIn
  bob: SignedIn
  id: string
}

/** A conversation in which Ann has sent Bob three messages. */
async function startWithMessages(config: Parameters<typeof startApi>[1] = {}): Promise<Messages> {
  const api = await startApi(db, config)
  const [ann, bob] = [await api.register('ann'), await api.register('bob')]
  const id = await api.startConversation(ann, bob)
  for (const number of [1, 2, 3]) {
    const copies = [ann, bob].map(
      ({ user }, index) => [user.id, `${number} for ${index ? 'bob' : 'ann'}`] as const,
    )
    await api.services.messages.send(id, ann.user.id, new Map(copies))
  }
  return { api, ann, bob, id }
}
