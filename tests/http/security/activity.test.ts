import { describe, expect, it } from 'vitest'
import { type SignedIn, startApi, type TestApi } from '../../support/api.ts'
import { securityLines } from '../../support/log.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'

const db = setUpDatabase()

async function activityOf(api: TestApi, token: string, query = '') {
  await api.services.securityLog.stop()
  return (await api.send(`GET /api/account/activity${query}`, { token })).json()
}

describe('GET /api/account/activity', () => {
  it('returns only the events of the caller, newest first, in pages', async () => {
    const api = await startApi(db)
    const [ann, bob] = [await api.register('ann'), await api.register('bob')]
    const { securityLog } = api.services
    for (let i = 0; i < 5; i++) securityLog.record('totp_failed', { userId: ann.user.id, ip: `192.0.2.${i}` })
    const first = await activityOf(api, ann.auth_token, '?page_size=3')
    expect(first.items.map(({ ip }: { ip: string }) => ip)).toEqual(['192.0.2.4', '192.0.2.3', '192.0.2.2'])
    expect(first.items[0]).toEqual({
      id: expect.any(String),
      kind: 'totp_failed',
      ip: '192.0.2.4',
      user_agent: null,
      created_at: new Date(api.clock.now()).toISOString(),
    })
    const query = `?page_size=3&page_token=${first.page_token}`
    const second = await activityOf(api, ann.auth_token, query)
    expect(second.items.slice(0, 2).map(({ ip }: { ip: string }) => ip)).toEqual(['192.0.2.1', '192.0.2.0'])
    const kinds = (await activityOf(api, bob.auth_token)).items.map(({ kind }: { kind: string }) => kind)
    expect(kinds).not.toContain('totp_failed')
    const foreign = await api.send(`GET /api/account/activity${query}`, { token: bob.auth_token })
    expect([foreign.statusCode, foreign.json().error.code]).toEqual([400, 'invalid_page_token'])
    expect((await api.send('GET /api/account/activity')).statusCode).toBe(401)
  })
})

describe('the security log', () => {
  it('records ended sessions, with the user and the session', async () => {
    const api = await startApi(db)
    const ann = await api.register('ann')
    const other = (await api.login('ann')).json<SignedIn>()
    const { items } = (await api.send('GET /api/sessions', { token: ann.auth_token })).json()
    const { id } = items.find(({ current }: { current: boolean }) => !current)
    const device = { headers: { 'user-agent': 'Laptop' }, from: '203.0.113.5' }
    await api.send(`DELETE /api/sessions/${id}`, { token: ann.auth_token, ...device })
    await api.send('POST /api/signout_all', { token: ann.auth_token, ...device })
    const again = (await api.login('ann')).json<SignedIn>()
    await api.send('POST /api/signout', { body: { token: again.refresh_token }, ...device })
    expect(securityLines(api.log.lines, 'session_revoked')).toMatchObject([
      { level: 30, userId: ann.user.id, sessionId: id, ip: '203.0.113.5' },
      { userId: ann.user.id },
    ])
    expect(securityLines(api.log.lines, 'sessions_revoked')).toMatchObject([
      { userId: ann.user.id, ip: '203.0.113.5' },
    ])
    const latest = (await api.login('ann')).json<SignedIn>()
    const activity = await activityOf(api, latest.auth_token)
    const ends = activity.items.filter(({ kind }: { kind: string }) => kind === 'session_revoked')
    expect(ends.at(-1)).toMatchObject({ session_id: id, ip: '203.0.113.5', user_agent: 'Laptop' })
    const secrets = [ann, other, again].flatMap(({ auth_token, refresh_token }) => [
      auth_token,
      refresh_token,
    ])
    for (const secret of secrets) {
      expect(api.log.text()).not.toContain(secret)
      expect(JSON.stringify(activity)).not.toContain(secret)
    }
  })

  it('records 403 responses by route', async () => {
    const api = await startApi(db)
    const [ann, bob, eve] = [await api.register('ann'), await api.register('bob'), await api.register('eve')]
    const id = await api.startConversation(ann, bob)
    const line = `GET /api/messages?conversation_id=${id}`
    expect((await api.send(line, { token: eve.auth_token, from: '203.0.113.7' })).statusCode).toBe(403)
    expect(securityLines(api.log.lines, 'permission_refused')).toMatchObject([
      { level: 40, userId: eve.user.id, ip: '203.0.113.7', reason: 'GET /api/messages' },
    ])
    const { items } = await activityOf(api, eve.auth_token)
    expect(items.map(({ kind }: { kind: string }) => kind)).not.toContain('permission_refused')
  })
})
