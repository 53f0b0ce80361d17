import { expect, it, vi } from 'vitest'
import { signIn } from '../../src/client/session/sign-in.ts'
import { SESSION_KEY, type StoredSession } from '../../src/client/session/stored-session.ts'
import { memoryStore } from '../../src/client/stores/memory.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { registerClient, resumeClient, signInClient } from './support/clients.ts'

const MINUTE = 60_000

it('uses a session with an expired token, by exchanging it', async () => {
  const app = await startApp()
  const ann = await registerClient(app, 'ann')
  await registerClient(app, 'bob')
  app.clock.advance(40 * MINUTE)
  const chat = await ann.conversations.with('bob@example.com')
  expect(await chat.send('Hello')).toMatchObject({ seq: 1 })
  app.clock.advance(40 * MINUTE)
  expect(await chat.send('Hello again')).toMatchObject({ seq: 2 })
})

it('exchanges tokens once for all tabs that share a store', async () => {
  const app = await startApp()
  const store = memoryStore()
  const first = await registerClient(app, 'ann', store)
  const second = await resumeClient(app, store)
  const before = ((await store.get(SESSION_KEY)) as StoredSession).refreshToken
  app.clock.advance(40 * MINUTE)
  const names = async (account: typeof first) => {
    for await (const { name } of account.users()) return name
  }
  await Promise.all([names(first), names(second), names(first), names(second)])
  const after = ((await store.get(SESSION_KEY)) as StoredSession).refreshToken
  expect(after).not.toBe(before)
  // An old token that is used after a minute would end the session.
  app.clock.advance(40 * MINUTE)
  await Promise.all([names(second), names(first)])
  await eventually(() => expect(first.connection).toBe('open'))
})

it.each([-3, 3])('refreshes before the token expires, with a clock that is %i hours wrong', async (hours) => {
  const app = await startApp()
  const store = memoryStore()
  const wrong = Date.now() + hours * 60 * MINUTE
  vi.useFakeTimers({ now: wrong, toFake: ['Date', 'performance'] })
  try {
    await (await registerClient(app, 'ann', store)).close()
    const { authToken } = (await store.get(SESSION_KEY)) as StoredSession
    const { session } = await signInAgain()
    expect(await session.freshToken()).toBe(authToken)
    vi.advanceTimersByTime(25 * MINUTE)
    app.clock.advance(25 * MINUTE)
    expect(await session.freshToken()).not.toBe(authToken)
    session.close()
  } finally {
    vi.useRealTimers()
  }

  async function signInAgain() {
    const { resume } = await import('../../src/client/session/sign-in.ts')
    return (await resume({ url: app.url, store }))!
  }
})

it('tells why a session is over', async () => {
  const app = await startApp()
  const ann = await registerClient(app, 'ann')
  const store = memoryStore()
  const other = await signInClient(app, 'ann', store)
  const tab = await resumeClient(app, store)
  const reasons: string[] = []
  ann.onSignedOut((reason) => void reasons.push(`first device: ${reason}`))
  other.onSignedOut((reason) => void reasons.push(`second device: ${reason}`))
  tab.onSignedOut((reason) => void reasons.push(`its other tab: ${reason}`))
  await eventually(() =>
    expect([other.connection, tab.connection, ann.connection]).toEqual(['open', 'open', 'open']),
  )
  await other.signOut()
  // The server closes the sockets of a session half a second after its sign-out.
  await eventually(() => {
    app.clock.advance(1_000)
    expect(reasons).toEqual(['second device: signed_out', 'its other tab: signed_out'])
  })
  const { body } = await app.request('POST', '/auth/login', {
    body: { email: 'ann@example.com', password: PASSWORD },
  })
  await app.request('POST', '/api/signout_all', { token: body.auth_token })
  await eventually(() => expect(reasons).toContain('first device: revoked'))
  await expect(ann.conversations.with('bob@example.com')).rejects.toMatchObject({ code: 'revoked' })
})

it('asks for the code of an account with an authenticator app', async () => {
  const app = await startApp()
  await registerClient(app, 'ann')
  const wrong = { url: app.url, email: 'ann@example.com', password: 'a wrong password', store: memoryStore() }
  await expect(signIn(wrong)).rejects.toMatchObject({ code: 'invalid_credentials', status: 401 })
})
