import type { webcrypto } from 'node:crypto'
import { beforeAll, expect, it } from 'vitest'
import {
  createConversationKeys,
  decryptOriginal,
  encryptOriginal,
  importOriginalKey,
  isSealedCopy,
  NEWER_CLIENT_NOTE,
  openConversationKey,
  originalText,
} from '../../../src/client/encryption/index.ts'
import { CONVERSATION, contentOf, newAccount, seal, type TestAccount, userId } from './accounts.ts'

const RSA = { name: 'RSA-OAEP', hash: 'SHA-256' }
let ann: TestAccount
let keys: Awaited<ReturnType<typeof createConversationKeys>>
let original: webcrypto.CryptoKeyPair
beforeAll(async () => {
  ann = await newAccount(1)
  keys = await createConversationKeys(CONVERSATION, ann.history[0]!.encryption_key)
  const parameters = { ...RSA, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }
  original = await crypto.subtle.generateKey(parameters, true, ['encrypt', 'decrypt'])
})

/** What the original client does with a copy. */
async function readAsOriginal(copy: string): Promise<string> {
  const text = await crypto.subtle.decrypt(RSA, original.privateKey, Buffer.from(copy, 'base64'))
  return new TextDecoder().decode(text)
}

it.each(['Hello', '', 'ä漢🦦', 'x'.repeat(190)])('is read by an original client: %s', async (text) => {
  const key = await importOriginalKey(await crypto.subtle.exportKey('jwk', original.publicKey))
  const copy = await encryptOriginal(key, text)
  expect(await readAsOriginal(copy)).toBe(text)
  expect(isSealedCopy(copy)).toBe(false)
})

it('says that a newer client is needed where the text does not fit', async () => {
  const key = await importOriginalKey(await crypto.subtle.exportKey('jwk', original.publicKey))
  expect(await readAsOriginal(await encryptOriginal(key, 'x'.repeat(191)))).toBe(NEWER_CLIENT_NOTE)
  expect(await readAsOriginal(await encryptOriginal(key, '漢'.repeat(64)))).toBe(NEWER_CLIENT_NOTE)
})

it('has the text of a message, or a note', () => {
  expect(originalText(contentOf(ann))).toBe('Hello')
  const reaction = contentOf(ann, {}, { type: 'reaction', body: { to: userId(1), emoji: '👍' } })
  expect(originalText(reaction)).toBe(NEWER_CLIENT_NOTE)
  expect(originalText(contentOf(ann, {}, { type: 'deleted', body: {} }))).toBe(
    '[parley.1] This message was deleted.',
  )
})

it('reads what an original client writes to the key pair of a conversation', async () => {
  const { alg, ...publicKey } = keys.public_key
  const imported = await crypto.subtle.importKey('jwk', { ...publicKey, alg }, RSA, true, ['encrypt'])
  const copy = Buffer.from(await crypto.subtle.encrypt(RSA, imported, Buffer.from('Hi, Ann'))).toString(
    'base64',
  )
  const privateKey = await openConversationKey(CONVERSATION, keys.private_key, ann.own.decryption)
  expect(await decryptOriginal(privateKey, copy)).toBe('Hi, Ann')
})

it('stores no readable private member', () => {
  expect(Object.keys(keys.private_key).sort()).toEqual(['alg', 'd', 'e', 'ext', 'key_ops', 'kty', 'n'])
  expect(isSealedCopy(keys.private_key.d)).toBe(true)
})

it('opens the pair only for its account and conversation', async () => {
  const open = (account: TestAccount, id: string, key: unknown = keys.private_key) =>
    openConversationKey(id, key, account.own.decryption)
  await expect(open(await newAccount(1), CONVERSATION)).rejects.toMatchObject({ code: 'undecryptable' })
  await expect(open(ann, userId(9))).rejects.toMatchObject({ code: 'wrong_conversation' })
  await expect(open(ann, CONVERSATION, { ...keys.private_key, d: 'x' })).rejects.toMatchObject({
    code: 'undecryptable',
  })
  await expect(open(ann, CONVERSATION, { ...keys.private_key, n: 1 })).rejects.toMatchObject({
    code: 'undecryptable',
  })
  await expect(open(ann, CONVERSATION, null)).rejects.toMatchObject({ code: 'undecryptable' })
})

it('does not read a copy that is altered or something else', async () => {
  const privateKey = await openConversationKey(CONVERSATION, keys.private_key, ann.own.decryption)
  for (const copy of ['', 'x', 'AAAA', '%%%', (await seal(ann, [ann])).copies[ann.userId]!]) {
    expect(await decryptOriginal(privateKey, copy)).toBeUndefined()
  }
})

it.each([null, 'key', {}, { kty: 'RSA', n: 'AAAA', e: 'AQAB' }, { kty: 'EC', crv: 'P-256' }])(
  'refuses %j as a key of an original client',
  async (jwk) => {
    await expect(importOriginalKey(jwk)).rejects.toMatchObject({ code: 'invalid_keys' })
  },
)
