import { CompactEncrypt, compactDecrypt, importJWK } from 'jose'
import { expect, it } from 'vitest'
import { type ReadEntry, readEntry } from '../../src/account-keys/index.ts'
import { signEntry } from '../../src/account-keys/sign-entry.ts'
import { createKeys } from '../../src/client/encryption/index.ts'
import { memoryStore } from '../../src/client/stores/memory.ts'
import { makeKeySet, newPair } from '../support/account-keys.ts'
import type { TestApp } from '../support/app.ts'
import { eventually } from '../support/eventually.ts'
import type { TamperingProxy } from '../support/tampering-proxy.ts'
import { PASSPHRASE, registerKeyed, resumeClient, signInKeyed } from './support/clients.ts'
import {
  collectNotices,
  collectSends,
  type SentPayload,
  startMalicious,
  startTalk,
  tamperJoins,
  tamperKeyQueries,
} from './support/malicious-server.ts'

it.each(['without a history', 'with the true history'])(
  'uses no swapped key of a new contact, %s',
  async (how) => {
    const { app, proxy } = await startMalicious()
    const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(proxy, 'bob')])
    const forged = await makeKeySet(ann.user.id)
    tamperKeyQueries(proxy, ann.user.id, (item) => {
      return how === 'without a history'
        ? { ...item, ...forged.publicKeys, history: [] }
        : { ...item, ...forged.publicKeys }
    })
    const sends = collectSends(proxy)
    const his = await bob.conversations.with(ann.user.id)
    for (const allowUnsigned of [false, true]) {
      await expect(his.send('secret', { allowUnsigned })).rejects.toMatchObject({
        code: 'keys_rejected',
        userIds: [ann.user.id],
      })
    }
    expect(sends).toEqual([])
  },
)

it('notices a key that is swapped in the reply to a join', async () => {
  const { proxy, ann, hers, his, notices } = await startTalk()
  const { publicKeys } = await makeKeySet(ann.user.id)
  tamperJoins(proxy, (reply) => ({
    ...reply,
    account_keys: { ...(reply.account_keys as object), [ann.user.id]: publicKeys },
  }))
  proxy.disconnectAll()
  await eventually(() => expect(notices).toEqual(['keys_rejected']))
  await his.send('to the true key')
  await eventually(() =>
    expect(hers.messages.at(-1)).toMatchObject({ body: { text: 'to the true key' }, problems: [] }),
  )
})

it('rejects a forged history, a forked one, and one that was taken back, of a known contact', async () => {
  const { proxy, ann, bob, hers, his, notices } = await startTalk()
  await ann.keys.rotate(PASSPHRASE)
  await eventually(() => expect(notices).toEqual(['keys_changed']))
  const first = await makeKeySet(ann.user.id)
  const fork = await makeKeySet(ann.user.id, { after: first })
  const next = await makeKeySet(ann.user.id, { after: fork })
  const sends = collectSends(proxy)
  const lies: [string, (item: object) => object][] = [
    [
      'a forged history',
      (item) => ({ ...item, ...fork.publicKeys, history: [first.body.entry, fork.body.entry] }),
    ],
    ['a forked history', (item) => ({ ...item, ...fork.publicKeys, history: [fork.body.entry] })],
    ['another successor', (item) => ({ ...item, ...next.publicKeys, history: [next.body.entry] })],
    ['the keys before the rotation', (item) => ({ ...item, version: 1 })],
  ]
  for (const [number, [what, lie]] of lies.entries()) {
    tamperKeyQueries(proxy, ann.user.id, lie)
    announceKeys(proxy, bob.user.id, ann.user.id)
    await eventually(() => expect(notices, what).toHaveLength(number + 2))
    expect(notices.at(-1), what).toBe('keys_rejected')
    await his.send(what)
    await eventually(() =>
      expect(hers.messages.at(-1), what).toMatchObject({ body: { text: what }, problems: [] }),
    )
  }
  expect(sends).toHaveLength(lies.length)
})

it('does not record keys as compared that replaced those which were shown', async () => {
  const { app, proxy, ann, bob, notices } = await startTalk()
  await bob.contacts.safetyNumber(ann.user.id)
  const forged = await forgeReset(app, ann.user.id)
  tamperKeyQueries(proxy, ann.user.id, (item) => ({ ...item, ...forged }))
  announceKeys(proxy, bob.user.id, ann.user.id)
  await eventually(() => expect(notices).toEqual(['keys_reset']))
  await expect(bob.contacts.verify(ann.user.id)).rejects.toMatchObject({ code: 'keys_changed' })
  expect(bob.contacts.isVerified(ann.user.id)).toBe(false)
})

it('keeps the keys that another tab has verified, whatever the server shows this one', async () => {
  const { app, proxy } = await startMalicious()
  const store = memoryStore()
  const [ann] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(proxy, 'bob', store)])
  const [one, other] = [await resumeClient(proxy, store), await resumeClient(proxy, store)]
  const stored = () => store.get(`keys/${ann.user.id}`)
  for (const tab of [one, other]) await tab.keys.unlock(PASSPHRASE)
  tamperKeyQueries(proxy, ann.user.id, () => undefined)
  expect(await one.contacts.safetyNumber(ann.user.id)).toBeUndefined()
  proxy.tampering = {}
  const number = await other.contacts.safetyNumber(ann.user.id)
  const known = await stored()
  const first = await makeKeySet(ann.user.id)
  const next = await makeKeySet(ann.user.id, { after: first })
  const history = [first.body.entry, next.body.entry]
  tamperKeyQueries(proxy, ann.user.id, (item) => ({ ...item, ...next.publicKeys, history }))
  expect(await one.contacts.safetyNumber(ann.user.id)).toBeUndefined()
  expect(await stored()).toEqual(known)
  expect(await other.contacts.safetyNumber(ann.user.id)).toBe(number)
})

it('tells that the keys of a contact were reset, and sends nothing to a compared one until compared again', async () => {
  const { app, proxy, ann, bob, his, notices } = await startTalk()
  await bob.contacts.verify(ann.user.id)
  const forged = await forgeReset(app, ann.user.id)
  tamperKeyQueries(proxy, ann.user.id, (item) => ({ ...item, ...forged }))
  const sends = collectSends(proxy)
  announceKeys(proxy, bob.user.id, ann.user.id)
  await eventually(() => expect(notices).toEqual(['keys_reset']))
  expect(bob.contacts.isVerified(ann.user.id)).toBe(false)
  await expect(his.send('secret', { allowUnsigned: true })).rejects.toMatchObject({
    code: 'keys_reset',
    userIds: [ann.user.id],
  })
  expect(sends).toEqual([])
})

it('does not fall back to the key of an original client for a member whose account key is known', async () => {
  const { proxy, ann, hers, his } = await startTalk()
  const sends = collectSends(proxy)
  tamperKeyQueries(proxy, ann.user.id, () => undefined)
  const pair = await crypto.subtle.generateKey(
    { name: 'RSA-OAEP', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    true,
    ['encrypt', 'decrypt'],
  )
  const rsa = await crypto.subtle.exportKey('jwk', pair.publicKey)
  let joins = 0
  tamperJoins(proxy, (reply) => {
    joins++
    return { ...reply, account_keys: {}, public_keys: { [ann.user.id]: rsa } }
  })
  proxy.disconnectAll()
  await eventually(() => expect(joins).toBeGreaterThan(0))
  await his.send('secret', { allowUnsigned: true })
  expect(sends).toHaveLength(1)
  expect(sends[0]!.encrypted_messages[ann.user.id]!.split('.')).toHaveLength(5)
  await eventually(() =>
    expect(hers.messages.at(-1)).toMatchObject({ body: { text: 'secret' }, problems: [] }),
  )
})

it('notices false keys of a new contact as soon as the two talk', async () => {
  const { app, proxy } = await startMalicious()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(proxy, 'bob')])
  const { upload, keys } = await createKeys({ userId: ann.user.id, secret: PASSPHRASE, now: new Date() })
  const { encryption_key, signing_key, entry } = upload
  const named = { version: 1, encryption_key, signing_key }
  tamperKeyQueries(proxy, ann.user.id, (item) => ({ ...item, ...named, history: [entry] }))
  tamperJoins(proxy, (reply) => ({
    ...reply,
    account_keys: { ...(reply.account_keys as object), [ann.user.id]: named },
  }))
  // The server reads what is encrypted to the false key, and encrypts it to the true one.
  const falseKey = await importJWK({ ...keys[0]!.encryption_key }, 'ECDH-ES+A256KW')
  const trueKey = await encryptionKeyOf(app, ann.user.id)
  proxy.tampering.toServer = async (frame) => {
    if (frame[3] !== 'send_message') return [frame]
    const payload = frame[4] as SentPayload
    const { plaintext } = await compactDecrypt(payload.encrypted_messages[ann.user.id]!, falseKey)
    const copy = await new CompactEncrypt(plaintext)
      .setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM' })
      .encrypt(trueKey)
    payload.encrypted_messages[ann.user.id] = copy
    return [frame]
  }
  const hers = await ann.conversations.with(bob.user.id)
  const heard = collectNotices(hers)
  const his = await bob.conversations.with(ann.user.id)
  expect(await bob.contacts.safetyNumber(ann.user.id)).not.toBe(await ann.contacts.safetyNumber(bob.user.id))
  await hers.send('I am Ann')
  await eventually(() => expect(his.messages[0]).toMatchObject({ type: 'unreadable', verified: 'invalid' }))
  expect(his.messages[0]!.problems).toEqual([{ code: 'unknown_key' }])
  await his.send('Hello')
  await eventually(() => expect(heard).toEqual(['different_keys']))
  expect(hers.messages.at(-1)).toMatchObject({ body: { text: 'Hello' }, verified: 'signed' })
})

it('tells that the server has reset its own keys, and uses the false ones for nothing', async () => {
  const { app, proxy, bob, his } = await startTalk()
  const forged = await forgeReset(app, bob.user.id)
  tamperKeyQueries(proxy, bob.user.id, (item) => ({ ...item, ...forged }))
  const sends = collectSends(proxy)
  const notice = bob.once('notice')
  announceKeys(proxy, bob.user.id, bob.user.id)
  expect(await notice).toEqual({ code: 'own_keys_reset' })
  await expect(his.send('secret')).rejects.toMatchObject({ code: 'keys_locked' })
  await expect(bob.keys.unlock(PASSPHRASE)).rejects.toMatchObject({ code: 'invalid_keys' })
  expect(sends).toEqual([])
})

it('tells that a message was sent with a key that its sender had replaced', async () => {
  const { app, proxy } = await startMalicious()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(app, 'bob')])
  const hers = await ann.conversations.with(bob.user.id)
  const his = await bob.open(hers.id)
  await hers.send('before')
  const outdated = await (await signInKeyed(proxy, 'ann')).open(hers.id)
  proxy.tampering.toClient = (frame) => (frame[3] === 'keys_changed' ? [] : [frame])
  const changed = his.once('notice')
  await ann.keys.rotate(PASSPHRASE)
  expect(await changed).toEqual({ code: 'keys_changed' })
  const notices = collectNotices(his)
  await outdated.send('with the old key')
  await eventually(() => expect(notices).toEqual(['replaced_key']))
  const edited = his.once('edit')
  await eventually(() => expect(outdated.messages).toHaveLength(2))
  await outdated.edit(outdated.messages[1]!, 'again with the old key')
  expect(await edited).toMatchObject({ verified: 'signed', problems: [{ code: 'replaced_key' }] })
  const elsewhere = await (await signInKeyed(app, 'bob')).open(hers.id)
  expect(elsewhere.messages).toMatchObject([
    { body: { text: 'before' }, problems: [] },
    { body: { text: 'again with the old key' }, problems: [{ code: 'replaced_key' }] },
  ])
})

it('notices that two members see different keys of a third', async () => {
  const { app, proxy } = await startMalicious()
  const [ann, carol, bob] = await Promise.all([
    registerKeyed(app, 'ann'),
    registerKeyed(app, 'carol'),
    registerKeyed(proxy, 'bob'),
  ])
  const forged = await makeKeySet(carol.user.id)
  const { publicKeys, body } = forged
  tamperKeyQueries(proxy, carol.user.id, (item) => ({ ...item, ...publicKeys, history: [body.entry] }))
  tamperJoins(proxy, (reply) => ({
    ...reply,
    account_keys: { ...(reply.account_keys as object), [carol.user.id]: publicKeys },
  }))
  const hers = await ann.conversations.startGroup([bob.user.id, carol.user.id])
  const [heard, his] = [collectNotices(hers), await bob.open(hers.id)]
  const notices = collectNotices(his)
  await hers.send('Hello')
  await eventually(() => expect(notices).toEqual(['different_keys']))
  await his.send('Hello')
  await eventually(() => expect(heard).toEqual(['different_keys']))
})

async function historyOf({ url, signUp }: TestApp, userId: string): Promise<ReadEntry[]> {
  const { token } = await signUp('reader')
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(`${url}/api/keys/${userId}/history`, { headers })
  const { items } = (await response.json()) as { items: unknown[] }
  return Promise.all(items.map(readEntry))
}

async function encryptionKeyOf(app: TestApp, userId: string) {
  const [entry] = await historyOf(app, userId)
  return importJWK({ ...entry!.encryption_key }, 'ECDH-ES+A256KW')
}

/** The keys that the server would name if it could replace those of a user. */
async function forgeReset(app: TestApp, userId: string) {
  const [previous] = await historyOf(app, userId)
  const [encryption, signer] = await Promise.all([newPair('ECDH-ES'), newPair('ES256')])
  const keys = { encryptionKey: encryption.publicKey, signer }
  const entry = await signEntry({ userId, ...keys, previous: previous!, issuedAt: new Date() })
  const named = { encryption_key: encryption.publicKey, signing_key: signer.publicKey }
  return { version: 2, ...named, history: [entry] }
}

function announceKeys(proxy: TamperingProxy, to: string, userId: string): void {
  proxy.inject([null, null, `user:${to}`, 'keys_changed', { user_id: userId, version: 9, thumbprint: '' }])
}
