import { describe, expect, it } from 'vitest'
import { PASSWORD, type SignedIn, startApi } from '../support/api.ts'
import { setUpDatabase } from '../support/set-up-database.ts'

const db = setUpDatabase()

describe.each(['documented', 'legacy'] as const)('GET /api/sessions (%s)', (contract) => {
  it("lists only the user's sessions, and marks the current one", async () => {
    const api = await startApi(db, { contract })
    await api.register('bob')
    const { auth_token: token } = await api.register('ann')
    const since = new Date(api.clock.now()).toISOString()
    api.clock.advance(1_000)
    await api.send('POST /auth/login', {
      body: { email: 'ann@example.com', password: PASSWORD },
      headers: { 'user-agent': 'Telephone/1.0' },
      from: '203.0.113.5',
    })
    const response = await api.send('GET /api/sessions', { token })
    expect(response.statusCode).toBe(200)
    const { items, ...rest } = response.json()
    expect(rest).toEqual({})
    expect(items).toHaveLength(2)
    expect(items).toContainEqual({
      id: expect.any(String),
      kind: 'password',
      user_agent: 'Telephone/1.0',
      ip: '203.0.113.5',
      created_at: new Date(api.clock.now()).toISOString(),
      last_used_at: new Date(api.clock.now()).toISOString(),
      current: false,
    })
    expect(items).toContainEqual(
      expect.objectContaining({ created_at: since, ip: '127.0.0.1', current: true }),
    )
  })
})

describe('DELETE /api/sessions/:id', () => {
  it('ends the session', async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    const other = (await api.login('ann')).json<SignedIn>()
    const { items } = (await api.send('GET /api/sessions', { token })).json()
    const { id } = items.find(({ current }: { current: boolean }) => !current)
    const response = await api.send(`DELETE /api/sessions/${id}`, { token })
    expect([response.statusCode, response.body]).toEqual([204, ''])
    expect((await api.send('GET /api/sessions', { token: other.auth_token })).statusCode).toBe(401)
    expect((await api.send('GET /api/sessions', { token })).json().items).toHaveLength(1)
    expect((await api.send(`DELETE /api/sessions/${id}`, { token })).statusCode).toBe(404)
  })

  it("rejects another user's session and an invalid id with 404", async () => {
    const api = await startApi(db)
    const { auth_token: token } = await api.register('ann')
    const bob = await api.register('bob')
    const { items } = (await api.send('GET /api/sessions', { token: bob.auth_token })).json()
    for (const id of [items[0].id, 'x', 'undefined', '%00', 'x'.repeat(1_000)]) {
      const response = await api.send(`DELETE /api/sessions/${id}`, { token })
      expect(response.statusCode).toBe(404)
      expect(response.json()).toHaveProperty('error.code', 'not_found')
    }
    expect((await api.send('GET /api/sessions', { token: bob.auth_token })).statusCode).toBe(200)
  })
})
