import { expect, it, vi } from 'vitest'
import { SESSION_KEY, type StoredSession } from '../../src/client/session/stored-session.ts'
import { memoryStore } from '../../src/client/stores/memory.ts'
import { startApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { registerClient, resumeClient } from './support/clients.ts'

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

it('replaces tokens that another tab has exchanged, and that have expired again', async () => {
  const app = await startApp()
  const store = memoryStore()
  const first = await registerClient(app, 'ann', store)
  const second = await resumeClient(app, store)
  await registerClient(app, 'bob')
  for (const account of [first, second]) {
    app.clock.advance(40 * MINUTE)
    expect((await account.users().next()).value).toMatchObject({ email: 'bob@example.com' })
  }
})
