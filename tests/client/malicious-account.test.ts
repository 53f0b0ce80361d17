import { expect, it } from 'vitest'
import { lock } from '../support/account-keys.ts'
import { eventually } from '../support/eventually.ts'
import type { TamperingProxy } from '../support/tampering-proxy.ts'
import { PASSPHRASE, registerKeyed, signInClient } from './support/clients.ts'
import {
  collectNotices,
  collectSends,
  startMalicious,
  startTalk,
  tamperJoins,
} from './support/malicious-server.ts'

it('unlocks no keys but the newest of its own account, under a lock of the usual strength', async () => {
  const { proxy } = await startMalicious()
  const stored: string[] = []
  proxy.tampering.response = (path, body) => {
    if (path === '/api/keys') stored.push((body as { locked: string }).locked)
    return body
  }
  await registerKeyed(proxy, 'bob')
  const ann = await registerKeyed(proxy, 'ann')
  const [others, before] = stored
  await ann.keys.rotate(PASSPHRASE)
  const device = await signInClient(proxy, 'ann')
  const locks: [string, string][] = [
    [before!, 'invalid_keys'],
    [others!, 'wrong_user'],
    [await lock({ p2c: 1 }), 'weak_lock'],
    [await withCount(before!, 2 ** 31), 'costly_lock'],
    ['nonsense', 'malformed_lock'],
  ]
  for (const [locked, code] of locks) {
    proxy.tampering.response = (path, body) => (path === '/api/keys' ? { ...(body as object), locked } : body)
    await expect(device.keys.unlock(PASSPHRASE), code).rejects.toMatchObject({ code })
    expect(device.keys.isUnlocked).toBe(false)
  }
  proxy.tampering = {}
  await device.keys.unlock(PASSPHRASE)
  expect(device.keys.isUnlocked).toBe(true)
})

it('keeps the compared contacts that the server takes back', async () => {
  const { proxy, ann, bob } = await startTalk()
  let first: unknown
  proxy.tampering.response = (path, body) => {
    if (path === '/api/account/data/contacts' && (body as { data?: string }).data) first ??= body
    return body
  }
  await bob.contacts.verify(ann.user.id)
  await bob.contacts.forget(ann.user.id)
  await bob.contacts.verify(ann.user.id)
  expect(first).toBeDefined()
  proxy.tampering.response = (path, body) => (path === '/api/account/data/contacts' ? first : body)
  const notice = bob.once('notice')
  await bob.keys.unlock(PASSPHRASE)
  expect(await notice).toEqual({ code: 'contacts_rolled_back' })
  expect(bob.contacts.isVerified(ann.user.id)).toBe(true)
})

it('does not take contacts that the server made up', async () => {
  const { proxy, ann, bob } = await startTalk()
  await bob.contacts.verify(ann.user.id)
  proxy.tampering.response = (path, body) =>
    path === '/api/account/data/contacts' ? { ...(body as object), data: 'made up' } : body
  const notice = bob.once('notice')
  await bob.keys.unlock(PASSPHRASE)
  expect(await notice).toEqual({ code: 'contacts_unreadable' })
  expect(bob.contacts.isVerified(ann.user.id)).toBe(true)
})

it('tells which members the server adds to a group', async () => {
  const { app, proxy } = await startMalicious()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(proxy, 'bob')])
  const mallory = await registerKeyed(app, 'mallory')
  const his = await bob.conversations.startGroup([ann.user.id])
  const notices = collectNotices(his)
  addMember(proxy, mallory.user.id)
  proxy.disconnectAll()
  await eventually(() => expect(notices).toEqual(['member_added']))
  expect(his.members.map(({ id }) => id)).toContain(mallory.user.id)
})

it('sends nothing to a private conversation to which the server adds someone', async () => {
  const { app, proxy, his, notices } = await startTalk()
  const mallory = await registerKeyed(app, 'mallory')
  const sends = collectSends(proxy)
  addMember(proxy, mallory.user.id)
  proxy.disconnectAll()
  await eventually(() => expect(notices).toEqual(['wrong_members']))
  await expect(his.send('secret', { allowUnsigned: true })).rejects.toMatchObject({
    code: 'wrong_members',
    userIds: [mallory.user.id],
  })
  expect(sends).toEqual([])
})

it('sends nothing to a private conversation of three that it sees for the first time', async () => {
  const { app, proxy } = await startMalicious()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(proxy, 'bob')])
  const mallory = await registerKeyed(app, 'mallory')
  const { id } = await ann.conversations.with(bob.user.id)
  const sends = collectSends(proxy)
  addMember(proxy, mallory.user.id)
  const his = await bob.open(id)
  await expect(his.send('secret')).rejects.toMatchObject({ code: 'wrong_members' })
  expect(sends).toEqual([])
})

it('opens no other conversation than the private one with a user', async () => {
  const { app, proxy } = await startMalicious()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(proxy, 'bob')])
  const mallory = await registerKeyed(app, 'mallory')
  const other = await bob.conversations.with(mallory.user.id)
  proxy.tampering.response = (path, body) =>
    path.startsWith('/api/conversations/private/') ? { conversation_id: other.id } : body
  await expect(bob.conversations.with(ann.user.id)).rejects.toMatchObject({ code: 'wrong_members' })
})

function addMember(proxy: TamperingProxy, id: string): void {
  tamperJoins(proxy, (reply) => {
    const users = reply.users as { id: string }[]
    return { ...reply, users: [...users, { ...users[0], id, display_name: 'Mallory' }] }
  })
}

async function withCount(jwe: string, p2c: number): Promise<string> {
  const [header, ...parts] = jwe.split('.')
  const decoded = JSON.parse(Buffer.from(header!, 'base64url').toString())
  return [Buffer.from(JSON.stringify({ ...decoded, p2c })).toString('base64url'), ...parts].join('.')
}
