import { expect, it, onTestFinished, vi } from 'vitest'
import type { Account } from '../../src/client/account.ts'
import { resume } from '../../src/client/session/sign-in.ts'
import { SESSION_KEY } from '../../src/client/session/stored-session.ts'
import { memoryStore } from '../../src/client/stores/memory.ts'
import { PASSWORD, startApp, type TestApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import { TamperingProxy } from '../support/tampering-proxy.ts'
import { registerClient, resumeClient, signInClient } from './support/clients.ts'

const DAY = 24 * 60 * 60_000

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
  await app.request('POST', '/api/signout_all', await signInElsewhere(app))
  await eventually(() => expect(reasons).toContain('first device: revoked'))
  await expect(ann.conversations.with('bob@example.com')).rejects.toMatchObject({ code: 'revoked' })
})

it('calls a session revoked that ends because the password is changed elsewhere', async () => {
  const app = await startApp()
  const ann = await registerClient(app, 'ann')
  const reasons = reasonsOf(ann)
  await eventually(() => expect(ann.connection).toBe('open'))
  const { token } = await signInElsewhere(app)
  const passwords = {
    password: PASSWORD,
    new_password: 'five brave otters sing',
    new_password_confirmation: 'five brave otters sing',
  }
  expect(await app.request('PATCH', '/api/password', { token, body: passwords })).toMatchObject({
    status: 204,
  })
  await eventually(() => expect(reasons).toEqual(['revoked']))
  await expect(ann.users().next()).rejects.toMatchObject({ code: 'revoked', reason: 'revoked' })
})

it('calls a session revoked that another device has ended', async () => {
  const app = await startApp()
  const store = memoryStore()
  const ann = await registerClient(app, 'ann', store)
  const reasons = reasonsOf(ann)
  await eventually(() => expect(ann.connection).toBe('open'))
  await endElsewhere(app)
  await eventually(() => expect(reasons).toEqual(['revoked']))
  expect(await store.get(SESSION_KEY)).toBeUndefined()
})

it('notices by itself that a session was revoked before it is resumed', async () => {
  const app = await startApp()
  const store = memoryStore()
  await (await registerClient(app, 'ann', store)).close()
  await endElsewhere(app)
  const reasons = reasonsOf(await resumeClient(app, store))
  await eventually(() => expect(reasons).toEqual(['revoked']))
  expect(await resume({ url: app.url, store })).toBeUndefined()
})

it('calls a session expired that was not used for two weeks', async () => {
  const app = await startApp()
  const store = memoryStore()
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  await (await registerClient(app, 'ann', store)).close()
  vi.advanceTimersByTime(15 * DAY)
  app.clock.advance(15 * DAY)
  const ann = await resumeClient(app, store)
  const reasons = reasonsOf(ann)
  await expect(ann.users().next()).rejects.toMatchObject({ code: 'expired', reason: 'expired' })
  expect(reasons).toEqual(['expired'])
})

it('calls a session expired that has reached its longest age', async () => {
  const app = await startApp({ SESSION_MAX_AGE: '1' })
  const store = memoryStore()
  const ann = await registerClient(app, 'ann', store)
  const reasons = reasonsOf(ann)
  await registerClient(app, 'bob')
  app.clock.advance(DAY - 10 * 60_000)
  await ann.users().next()
  app.clock.advance(10 * 60_000)
  await expect(ann.users().next()).rejects.toMatchObject({ code: 'expired' })
  expect(reasons).toEqual(['expired'])
})

it.each([
  ['the session ends', 'signed_out', (account: Account) => account.signOut()],
  ['the client is closed', 'disconnected', (account: Account) => account.close()],
])('rejects what is not answered, and all that comes later, when %s', async (_title, code, end) => {
  const app = await startApp()
  const proxy = await TamperingProxy.start(app.url)
  const [ann, bob] = await Promise.all([registerClient(proxy, 'ann'), registerClient(app, 'bob')])
  const chat = await ann.conversations.startGroup([bob.user.id])
  const { id } = await bob.conversations.with(ann.user.id)
  const withheld = new Set<string>()
  proxy.tampering = {
    toServer: (frame) => {
      withheld.add(frame[3])
      return []
    },
  }
  const calls = {
    read_conversation: () => chat.markRead(),
    change_alias: () => chat.rename('Garden club'),
    modify_conversation: () => chat.addMembers([bob.user.id]),
    leave_conversation: () => chat.leave(),
    set_display_name: () => ann.setName('Ann of the garden'),
    set_hidden: () => ann.setHidden(true),
    phx_join: () => ann.open(id),
  }
  const expectRejected = () =>
    Promise.all(Object.values(calls).map((call) => expect(call()).rejects.toMatchObject({ code })))
  const rejected = expectRejected()
  await eventually(() => expect([...withheld]).toEqual(expect.arrayContaining(Object.keys(calls))))
  await Promise.all([end(ann), rejected])
  await expectRejected()
})

function reasonsOf(account: Account): string[] {
  const reasons: string[] = []
  account.onSignedOut((reason) => void reasons.push(reason))
  return reasons
}

/** Ends the other sessions of ann from a device of hers, one by one. */
async function endElsewhere(app: TestApp): Promise<void> {
  const { token } = await signInElsewhere(app)
  const { body } = await app.request('GET', '/api/sessions', { token })
  const others = (body.items as { id: string; current: boolean }[]).filter(({ current }) => !current)
  for (const { id } of others)
    expect(await app.request('DELETE', `/api/sessions/${id}`, { token })).toMatchObject({ status: 204 })
}

async function signInElsewhere(app: TestApp): Promise<{ token: string }> {
  const credentials = { email: 'ann@example.com', password: PASSWORD }
  const { body } = await app.request('POST', '/auth/login', { body: credentials })
  return { token: body.auth_token }
}
