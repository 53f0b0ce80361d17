import { CompactEncrypt } from 'jose'
import { beforeAll, expect, it } from 'vitest'
import {
  checkKeys,
  type EncryptionErrorCode,
  encodeText,
  extendHistory,
  generateRecoveryKey,
  lockKeys,
  MAX_KEY_PAIRS,
  type PrivateKeyPair,
  relockKeys,
  unlockKeys,
} from '../../../src/client/encryption/index.ts'
import { NOW, newAccount, SECRET, type TestAccount } from './accounts.ts'

let ann: TestAccount
let locked: string
beforeAll(async () => {
  ann = await newAccount(1)
  locked = await lockKeys(ann.userId, ann.keys, SECRET)
})

it('opens with the passphrase in any Unicode normalization', async () => {
  expect(await unlockKeys(ann.userId, locked, SECRET)).toEqual(ann.keys)
  const accented = await lockKeys(ann.userId, ann.keys, 'sept h\u00e9rons calmes')
  expect(await unlockKeys(ann.userId, accented, 'sept he\u0301rons calmes')).toEqual(ann.keys)
})

it('opens with a recovery key in any spelling', async () => {
  const key = await generateRecoveryKey()
  const withKey = await lockKeys(ann.userId, ann.keys, key)
  expect(await unlockKeys(ann.userId, withKey, key.toLowerCase().replaceAll('-', ' '))).toEqual(ann.keys)
})

it('does not open with another passphrase', async () => {
  await expect(unlockKeys(ann.userId, locked, `${SECRET}.`)).rejects.toMatchObject({ code: 'wrong_secret' })
})

it('does not lock with a short passphrase', async () => {
  await expect(lockKeys(ann.userId, ann.keys, 'eleven char')).rejects.toMatchObject({ code: 'weak_secret' })
})

it('belongs to one user', async () => {
  const other = unlockKeys('0190a5f0-0000-7000-8000-0000000000ff', locked, SECRET)
  await expect(other).rejects.toMatchObject({ code: 'wrong_user' })
})

it('has a new salt each time', async () => {
  expect(headerOf(await lockKeys(ann.userId, ann.keys, SECRET)).p2s).not.toBe(headerOf(locked).p2s)
})

it('fits 16 KiB with the largest number of key pairs, of which the oldest are left out', async () => {
  const many = Array.from({ length: MAX_KEY_PAIRS + 5 }, (_, index) => ({
    ...ann.keys[0]!,
    version: 1000 - index,
  }))
  const text = await lockKeys(ann.userId, many, SECRET)
  expect(text.length).toBeLessThanOrEqual(16 * 1024)
  expect(await unlockKeys(ann.userId, text, SECRET)).toEqual(many.slice(0, MAX_KEY_PAIRS))
})

it.each<[string, EncryptionErrorCode, object]>([
  ['too few iterations', 'weak_lock', { p2c: 599_999 }],
  ['one iteration', 'weak_lock', { p2c: 1 }],
  ['a short salt', 'weak_lock', { p2s: 'AAAAAAAAAAA' }],
  ['a billion iterations', 'costly_lock', { p2c: 1_000_000_000 }],
  ['a fractional count', 'malformed_lock', { p2c: 600_000.5 }],
  ['a negative count', 'malformed_lock', { p2c: -1 }],
  ['a count that is text', 'malformed_lock', { p2c: '600000' }],
  ['a very long salt', 'malformed_lock', { p2s: 'A'.repeat(4000) }],
  ['another algorithm', 'malformed_lock', { alg: 'PBES2-HS256+A128KW' }],
  ['another encryption', 'malformed_lock', { enc: 'A128GCM' }],
  ['compression', 'malformed_lock', { zip: 'DEF' }],
  ['a critical header', 'malformed_lock', { crit: ['b64'] }],
])('refuses %s without trying the passphrase', async (_, code, change) => {
  const header = Buffer.from(JSON.stringify({ ...headerOf(locked), ...change })).toString('base64url')
  const text = locked.split('.').with(0, header).join('.')
  await expect(unlockKeys(ann.userId, text, SECRET)).rejects.toMatchObject({ name: 'EncryptionError', code })
})

it.each<[string, (keys: PrivateKeyPair[]) => unknown]>([
  ['no keys', () => []],
  [
    'an older pair first',
    ([pair]) => [
      { ...pair, version: 1 },
      { ...pair, version: 2 },
    ],
  ],
  ['a pair without a version', ([pair]) => [{ ...pair, version: undefined }]],
  ['something else', () => 'keys'],
])('refuses locked content with %s', async (_, change) => {
  const text = await lockAnything({ v: 1, user_id: ann.userId, keys: change(ann.keys) })
  await expect(unlockKeys(ann.userId, text, SECRET)).rejects.toMatchObject({ code: 'malformed_lock' })
})

it('refuses a private key that is out of range', async () => {
  const pair = { ...ann.keys[0]!, signing_key: { ...ann.keys[0]!.signing_key, d: 'A'.repeat(43) } }
  const text = await lockAnything({ v: 1, user_id: ann.userId, keys: [pair] })
  await expect(unlockKeys(ann.userId, text, SECRET)).rejects.toMatchObject({
    name: 'KeyError',
    code: 'invalid_key',
  })
})

it('keeps the keys under a new passphrase, with a new entry of the history', async () => {
  const secret = 'eight loud herons'
  const { upload, keys } = await relockKeys(
    { userId: ann.userId, secret, now: NOW },
    ann.keys,
    ann.history[0]!,
  )
  const history = await extendHistory(ann.userId, ann.history, [upload.entry])
  expect(history[1]).toMatchObject({ version: 2, thumbprint: ann.history[0]!.thumbprint, reset: false })
  expect(keys).toEqual(ann.keys)
  expect(await unlockKeys(ann.userId, upload.locked, secret)).toEqual(ann.keys)
})

it('notices locked keys that are older than the history', async () => {
  const other = await newAccount(1)
  expect(() => checkKeys(ann.keys, other.history[0]!)).toThrow(
    expect.objectContaining({ code: 'invalid_keys' }),
  )
})

function lockAnything(value: unknown): Promise<string> {
  return new CompactEncrypt(encodeText(JSON.stringify(value)))
    .setProtectedHeader({ alg: 'PBES2-HS512+A256KW', enc: 'A256GCM' })
    .setKeyManagementParameters({ p2c: 600_000 })
    .encrypt(encodeText(SECRET))
}

function headerOf(jwe: string) {
  return JSON.parse(Buffer.from(jwe.split('.')[0]!, 'base64url').toString())
}
