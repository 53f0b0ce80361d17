import { describe, expect, it } from 'vitest'
import type { Message } from '../../src/client/conversations/message.ts'
import { startApp } from '../support/app.ts'
import { KEYS, push } from '../support/conversations.ts'
import { eventually } from '../support/eventually.ts'
import { PASSPHRASE, registerKeyed, signInKeyed } from './support/clients.ts'

describe.each(['documented', 'legacy'])('an encrypted conversation, in the %s dialect', (contract) => {
  it('is signed, and readable by its members and their other devices only', async () => {
    const app = await startApp({ CONTRACT: contract })
    const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(app, 'bob')])
    const hers = await ann.conversations.with('bob@example.com')
    // Bob has never opened the conversation.
    await hers.send('The lighthouse opens on Thursday')
    const his = await bob.conversations.with('ann@example.com')
    expect(his.messages).toMatchObject([
      {
        type: 'text',
        body: { text: 'The lighthouse opens on Thursday' },
        verified: 'signed',
        problems: [],
        sender: { name: 'ann Example' },
      },
    ])
    const edited = his.once('edit')
    await hers.edit(hers.messages[0]!, 'The lighthouse opens on Saturday')
    expect(await edited).toMatchObject({
      body: { text: 'The lighthouse opens on Saturday' },
      revision: 1,
      problems: [],
    })
    const reply = hers.once('message')
    await his.react(his.messages[0]!, '👍')
    expect(await reply).toMatchObject({ type: 'reaction', body: { to: hers.messages[0]!.id, emoji: '👍' } })

    const second = await signInKeyed(app, 'bob')
    const elsewhere = await second.open(his.id)
    expect(elsewhere.messages.map(({ body, problems }) => [body.text ?? body.emoji, problems])).toEqual([
      ['The lighthouse opens on Saturday', []],
      ['👍', []],
    ])
    const deleted = elsewhere.once('delete')
    await hers.delete(hers.messages[0]!)
    expect(await deleted).toMatchObject({ isDeleted: true, problems: [], verified: 'signed' })
  })
})

it('shows messages once the keys are unlocked, and not before', async () => {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(app, 'bob')])
  const hers = await ann.conversations.with(bob.user.id)
  await hers.send('Hello')
  bob.keys.lock()
  const his = await bob.open(hers.id)
  expect(his.messages).toMatchObject([{ type: 'unreadable', verified: 'locked' }])
  await expect(his.send('Hello back')).rejects.toMatchObject({ code: 'keys_locked' })
  await expect(bob.keys.unlock('another passphrase')).rejects.toMatchObject({ code: 'wrong_secret' })
  const reset = his.once('reset')
  await bob.keys.unlock(PASSPHRASE)
  expect(await reset).toMatchObject([{ body: { text: 'Hello' }, verified: 'signed' }])
})

it('reads old messages after a rotation, and tells the others', async () => {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(app, 'bob')])
  const hers = await ann.conversations.with(bob.user.id)
  const his = await bob.open(hers.id)
  await hers.send('before')
  await bob.contacts.verify(ann.user.id)
  const before = await bob.contacts.safetyNumber(ann.user.id)
  expect(before).toMatch(/^(\d{5} ){11}\d{5}$/)
  expect(await ann.contacts.safetyNumber(bob.user.id)).toBe(before)
  const notice = his.once('notice')
  await ann.keys.rotate(PASSPHRASE)
  expect(await notice).toMatchObject({ code: 'keys_changed' })
  await hers.send('after')
  await eventually(() => expect(his.messages).toHaveLength(2))
  expect(his.messages[1]).toMatchObject({ body: { text: 'after' }, problems: [], verified: 'verified' })
  expect(await bob.contacts.safetyNumber(ann.user.id)).not.toBe(before)

  const device = await signInKeyed(app, 'ann')
  const chat = await device.open(hers.id)
  expect(chat.messages.map(({ body }) => body.text)).toEqual(['before', 'after'])

  const reset = his.once('notice')
  await ann.keys.reset('another passphrase')
  expect(await reset).toMatchObject({ code: 'keys_reset' })
  await hers.send('afterwards')
  await eventually(() => expect(his.messages).toHaveLength(3))
  expect(his.messages[2]).toMatchObject({ verified: 'signed', problems: [] })
})

it('keeps compared contacts for other devices', async () => {
  const app = await startApp()
  const [ann, bob] = await Promise.all([registerKeyed(app, 'ann'), registerKeyed(app, 'bob')])
  await ann.contacts.safetyNumber(bob.user.id)
  await ann.contacts.verify(bob.user.id)
  const device = await signInKeyed(app, 'ann')
  const chat = await device.conversations.with(bob.user.id)
  await eventually(() => expect(device.contacts.isVerified(bob.user.id)).toBe(true))
  await chat.send('Hello')
  await device.contacts.forget(bob.user.id)
  expect(device.contacts.isVerified(bob.user.id)).toBe(false)
})

it('writes to members with an original client only if that is allowed, and reads what they write', async () => {
  const app = await startApp()
  const ann = await registerKeyed(app, 'ann')
  const carol = await app.signUp('carol')
  const rsa = { name: 'RSA-OAEP', hash: 'SHA-256' }
  const pair = await crypto.subtle.generateKey(
    { ...rsa, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    true,
    ['encrypt', 'decrypt'],
  )
  const hers = await ann.conversations.with(carol.id)
  await expect(hers.send('Hello')).rejects.toMatchObject({ code: 'unsigned_members', userIds: [carol.id] })
  await expect(hers.send('Hello', { allowUnsigned: true })).rejects.toMatchObject({
    code: 'members_without_keys',
  })

  const original = await carol.join(`conversation:${hers.id}`)
  const user = await carol.join(`user:${carol.id}`)
  const copy = new Promise<string>((resolve) =>
    user.on('new_message', ({ message }) => resolve(message.content)),
  )
  const public_key = (await crypto.subtle.exportKey('jwk', pair.publicKey)) as Record<string, unknown>
  await push(carol, original, 'set_encryption_keys', { public_key, private_key: KEYS.private_key })
  await eventually(() => hers.send('Hello', { allowUnsigned: true }).then(() => {}))
  const encrypted = Buffer.from(await copy, 'base64')
  expect(Buffer.from(await crypto.subtle.decrypt(rsa, pair.privateKey, encrypted)).toString()).toBe('Hello')

  const { response } = await push(carol, await carol.join(`conversation:${hers.id}`), 'start_typing')
  expect(response).toBe('message_sent')
  const key = await eventuallyKey(() => hers.context.publicKeys[ann.user.id])
  const annKey = await crypto.subtle.importKey('jwk', key, rsa, false, ['encrypt'])
  const encrypt = async (to: typeof annKey) =>
    Buffer.from(await crypto.subtle.encrypt(rsa, to, Buffer.from('Hello from the original client'))).toString(
      'base64',
    )
  const received = new Promise<Message>((resolve) =>
    hers.on('message', (message) => !message.mine && resolve(message)),
  )
  await push(carol, await carol.join(`conversation:${hers.id}`), 'send_message', {
    encrypted_messages: { [ann.user.id]: await encrypt(annKey), [carol.id]: await encrypt(pair.publicKey) },
  })
  expect(await received).toMatchObject({
    body: { text: 'Hello from the original client' },
    verified: 'unsigned',
    problems: [],
  })
})

async function eventuallyKey(read: () => object | undefined): Promise<object> {
  await eventually(() => expect(read()).toBeDefined())
  return read()!
}
