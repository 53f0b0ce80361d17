import { exportJWK, FlattenedSign, generateKeyPair } from 'jose'
import { expect, it } from 'vitest'
import {
  canonicalJson,
  encodeText,
  type HistoryEntry,
  type KeyErrorCode,
  keyThumbprint,
  parsePublicJwk,
  readEntry,
  verifyEntry,
} from '../../src/account-keys/index.ts'
import { type EntrySigner, signEntry } from '../../src/account-keys/sign-entry.ts'

const ANN = '0190a5f0-0000-7000-8000-000000000001'
const BOB = '0190a5f0-0000-7000-8000-000000000002'
const issuedAt = new Date('2026-01-02T03:04:05.678Z')

it('verifies entries that replace both keys', async () => {
  const [one, two] = await Promise.all([newSigner(), newSigner()])
  const first = await verifyEntry(await firstEntry(one), ANN, null)
  expect(first).toMatchObject({ user_id: ANN, version: 1, previous: null, reset: false })
  const next = await signEntry({ ...(await contentBy(two)), previous: first, previousSigner: one })
  const second = await verifyEntry(JSON.parse(JSON.stringify(next)), ANN, first)
  expect(second).toMatchObject({ version: 2, previous: first.hash, reset: false, signing_key: two.publicKey })
})

it('verifies an entry that keeps the keys', async () => {
  const signer = await newSigner()
  const content = await contentBy(signer)
  const first = await verifyEntry(await signEntry({ ...content, previous: null }), ANN, null)
  const entry = await signEntry({ ...content, previous: first, previousSigner: signer })
  expect(await verifyEntry(entry, ANN, first)).toMatchObject({ version: 2, thumbprint: first.thumbprint })
})

it('verifies an entry of which the keys before it are lost, and says that it is a reset', async () => {
  const first = await verifyEntry(await firstEntry(await newSigner()), ANN, null)
  const entry = await signEntry({ ...(await contentBy(await newSigner())), previous: first })
  expect(await verifyEntry(entry, ANN, first)).toMatchObject({ version: 2, reset: true })
})

it('reads an entry without its predecessor', async () => {
  const entry = await firstEntry(await newSigner())
  expect(await readEntry(entry)).toEqual(await verifyEntry(entry, ANN, null))
})

it.each<[string, KeyErrorCode, (entry: HistoryEntry) => unknown]>([
  ['null', 'invalid_entry', () => null],
  ['an entry without signatures', 'wrong_signer', (entry) => ({ ...entry, signatures: [] })],
  ['another member', 'invalid_entry', (entry) => ({ ...entry, header: {} })],
  ['a payload that is not JSON', 'invalid_entry', (entry) => ({ ...entry, payload: 'AAAA' })],
  [
    'a payload that is not base64url',
    'invalid_entry',
    (entry) => ({ ...entry, payload: `${entry.payload}=` }),
  ],
  ['white space in the payload', 'invalid_entry', (entry) => withPayload(entry, (text) => ` ${text}`)],
  ['a member twice', 'invalid_entry', (entry) => withPayload(entry, (text) => `{"v":1,${text.slice(1)}`)],
  ['another order of members', 'invalid_entry', (entry) => withContent(entry, {}, JSON.stringify)],
  ['an unknown member', 'invalid_entry', (entry) => withContent(entry, { more: 1 })],
  ['another format version', 'invalid_entry', (entry) => withContent(entry, { v: 2 })],
  ['reset: false', 'invalid_entry', (entry) => withContent(entry, { reset: false })],
  ['a time of another form', 'invalid_entry', (entry) => withContent(entry, { issued_at: '2026-01-02' })],
  [
    'a time that does not exist',
    'invalid_entry',
    (entry) => withContent(entry, { issued_at: '2026-99-02T03:04:05.678Z' }),
  ],
  ['a user id in upper case', 'invalid_entry', (entry) => withContent(entry, { user_id: ANN.toUpperCase() })],
  [
    'a private key',
    'invalid_key',
    (entry) => withContent(entry, { signing_key: { ...contentOf(entry).signing_key, d: 'x' } }),
  ],
  [
    'one key for both uses',
    'invalid_key',
    (entry) => withContent(entry, { encryption_key: contentOf(entry).signing_key }),
  ],
  ['5 KiB', 'entry_too_large', (entry) => ({ ...entry, payload: 'A'.repeat(5 * 1024) })],
  [
    'changed content',
    'bad_signature',
    (entry) => withContent(entry, { issued_at: '2027-01-02T03:04:05.678Z' }),
  ],
  ['the first entry as a reset', 'invalid_entry', (entry) => withContent(entry, { reset: true })],
  ['a version that is not the next', 'wrong_version', (entry) => withContent(entry, { version: 2 })],
  ['a hash of no entry', 'wrong_previous', (entry) => withContent(entry, { previous: 'A'.repeat(43) })],
  ['another user', 'wrong_user', (entry) => withContent(entry, { user_id: BOB })],
  ['a header of another type', 'invalid_entry', (entry) => withHeader(entry, { typ: 'parley+jws' })],
  ['a header without a type', 'invalid_entry', (entry) => withHeader(entry, { typ: undefined })],
  ['a critical extension', 'invalid_entry', (entry) => withHeader(entry, { crit: ['b64'] })],
  ['no algorithm', 'bad_signature', (entry) => withHeader(entry, { alg: 'none' })],
  ['another algorithm', 'bad_signature', (entry) => withHeader(entry, { alg: 'HS256' })],
  ['another kid', 'wrong_signer', (entry) => withHeader(entry, { kid: 'A'.repeat(43) })],
  [
    'a second signature in the first entry',
    'wrong_signer',
    (entry) => ({ ...entry, signatures: [entry.signatures[0], entry.signatures[0]] }),
  ],
])('refuses %s', async (_, code, change) => {
  const changed = change(await firstEntry(await newSigner()))
  await expect(verifyEntry(changed, ANN, null)).rejects.toMatchObject({ name: 'KeyError', code })
})

it('refuses a next entry without the signature of the previous key', async () => {
  const [one, two, thief] = await Promise.all([newSigner(), newSigner(), newSigner()])
  const first = await verifyEntry(await firstEntry(one), ANN, null)
  const content = { ...(await contentBy(two)), previous: first }
  const entry = await signEntry({ ...content, previousSigner: one })
  const alone = { ...entry, signatures: [entry.signatures[0]!] }
  await expect(verifyEntry(alone, ANN, first)).rejects.toMatchObject({ code: 'wrong_signer' })
  const stolen = await signEntry({ ...content, previousSigner: thief })
  await expect(verifyEntry(stolen, ANN, first)).rejects.toMatchObject({ code: 'wrong_signer' })
  const forged = await signEntry({ ...content, previousSigner: { ...thief, publicKey: one.publicKey } })
  await expect(verifyEntry(forged, ANN, first)).rejects.toMatchObject({ code: 'bad_signature' })
})

it('refuses an entry whose own key did not sign it', async () => {
  const [one, thief] = await Promise.all([newSigner(), newSigner()])
  const entry = await firstEntry({ ...one, privateKey: thief.privateKey })
  await expect(verifyEntry(entry, ANN, null)).rejects.toMatchObject({ code: 'bad_signature' })
})

it('refuses an entry that skips a version, or continues another history', async () => {
  const [one, two] = await Promise.all([newSigner(), newSigner()])
  const first = await verifyEntry(await firstEntry(one), ANN, null)
  const other = await verifyEntry(await firstEntry(one), ANN, null)
  const skipped = await signEntry({
    ...(await contentBy(two)),
    previous: { ...first, version: 2 },
    previousSigner: one,
  })
  await expect(verifyEntry(skipped, ANN, first)).rejects.toMatchObject({ code: 'wrong_version' })
  const forked = await signEntry({ ...(await contentBy(two)), previous: other, previousSigner: one })
  await expect(verifyEntry(forked, ANN, first)).rejects.toMatchObject({ code: 'wrong_previous' })
})

it('refuses a signature of a message with the same content', async () => {
  const signer = await newSigner()
  const entry = await firstEntry(signer)
  const header = { alg: 'ES256', kid: await keyThumbprint(signer.publicKey), typ: 'parley+jws' }
  const { protected: encoded, signature } = await new FlattenedSign(Buffer.from(entry.payload, 'base64url'))
    .setProtectedHeader(header)
    .sign(signer.privateKey)
  const changed = { payload: entry.payload, signatures: [{ protected: encoded, signature }] }
  await expect(verifyEntry(changed, ANN, null)).rejects.toMatchObject({ code: 'invalid_entry' })
})

async function newSigner(): Promise<EntrySigner> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  return { publicKey: parsePublicJwk(await exportJWK(publicKey)), privateKey }
}

async function contentBy(signer: EntrySigner) {
  return { userId: ANN, encryptionKey: (await newSigner()).publicKey, signer, issuedAt }
}

async function firstEntry(signer: EntrySigner): Promise<HistoryEntry> {
  return signEntry({ ...(await contentBy(signer)), previous: null })
}

function contentOf(entry: HistoryEntry) {
  return JSON.parse(Buffer.from(entry.payload, 'base64url').toString())
}

function withContent(entry: HistoryEntry, change: object, write = canonicalJson) {
  const { v, ...content } = contentOf(entry)
  return withPayload(entry, () => write({ ...content, v, ...change }))
}

function withPayload(entry: HistoryEntry, change: (text: string) => string): HistoryEntry {
  const text = change(Buffer.from(entry.payload, 'base64url').toString())
  return { ...entry, payload: Buffer.from(encodeText(text)).toString('base64url') }
}

function withHeader(entry: HistoryEntry, change: object): HistoryEntry {
  const [first] = entry.signatures
  const header = JSON.parse(Buffer.from(first!.protected, 'base64url').toString())
  const text = JSON.stringify({ ...header, ...change })
  return { ...entry, signatures: [{ ...first!, protected: Buffer.from(text).toString('base64url') }] }
}
