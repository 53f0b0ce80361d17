import { CompactEncrypt, CompactSign } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Content,
  encodeText,
  importEncryptionKey,
  type MessageFailure,
  type OpenInput,
  openMessage,
  pad,
  sha256,
} from '../../../src/client/encryption/index.ts'
import {
  CONVERSATION,
  contentOf,
  newAccount,
  received,
  rotate,
  seal,
  type TestAccount,
  userId,
} from './accounts.ts'

let ann: TestAccount
let bob: TestAccount
let mallory: TestAccount
beforeAll(async () => {
  ;[ann, bob, mallory] = await Promise.all([newAccount(1), newAccount(2), newAccount(3)])
})

it('is opened by every member, and says who sent what', async () => {
  const sealed = await seal(ann, [ann, bob])
  for (const reader of [ann, bob]) {
    expect(await openMessage(received(sealed, ann, reader))).toEqual({
      ok: true,
      content: { known: true, ...contentOf(ann) },
      hash: sealed.hash,
      keyReplacedAt: undefined,
    })
  }
})

it('keeps text of any script as it is', async () => {
  const text = 'ä 漢字 🦦 \u0000 \n " \\ שלום'
  const sealed = await seal(ann, [bob], contentOf(ann, {}, { type: 'text', body: { text } }))
  expect(await openMessage(received(sealed, ann, bob))).toMatchObject({
    ok: true,
    content: { body: { text } },
  })
})

it('opens messages from before a rotation, of the sender and of the reader', async () => {
  const sealed = await seal(ann, [bob])
  const [{ account: newAnn }, { account: newBob }] = await Promise.all([rotate(ann), rotate(bob)])
  const old = await openMessage(received(sealed, newAnn, newBob))
  expect(old).toMatchObject({ ok: true, keyReplacedAt: newAnn.history[1]!.issued_at })
  const next = await openMessage(received(await seal(newAnn, [newBob]), newAnn, newBob))
  expect(next).toMatchObject({ ok: true, keyReplacedAt: undefined })
})

it('uses a new key for each copy, and a new content key for each message', async () => {
  const [one, two] = await Promise.all([seal(ann, [ann, bob]), seal(ann, [ann, bob])])
  const copies = [...Object.values(one.copies), ...Object.values(two.copies)]
  const ephemeralKeys = copies.map((copy) => headerOf(copy).epk.x)
  expect(new Set(ephemeralKeys).size).toBe(4)
  expect(one.shared).not.toBe(two.shared)
})

it('hides the length of a text within its bucket', async () => {
  const texts = ['', 'Hi', 'Hello, how are you?'.repeat(5)]
  const sealed = await Promise.all(
    texts.map((text) => seal(ann, [bob], contentOf(ann, {}, { type: 'text', body: { text } }))),
  )
  expect(new Set(sealed.map(({ shared }) => shared.length)).size).toBe(1)
})

it('verifies content of a type that is not known', async () => {
  const content = { ...contentOf(ann), type: 'poll', body: { question: 'When?' } } as unknown as Content
  expect(await openMessage(received(await seal(ann, [bob], content), ann, bob))).toMatchObject({
    ok: true,
    content: { known: false, type: 'poll', body: { question: 'When?' } },
  })
})

it('does not seal content that a receiver would refuse', async () => {
  const invalid = contentOf(ann, {}, { type: 'text', body: { text: '\ud800' } })
  await expect(seal(ann, [bob], invalid)).rejects.toMatchObject({ code: 'invalid_content' })
  const long = contentOf(ann, {}, { type: 'text', body: { text: 'x'.repeat(40_000) } })
  await expect(seal(ann, [bob], long)).rejects.toMatchObject({ code: 'message_too_large' })
})

describe('an attack by the server', () => {
  it.each<[string, MessageFailure, (input: OpenInput) => OpenInput | Promise<OpenInput>]>([
    ['alters the copy', 'undecryptable_copy', (input) => ({ ...input, copy: altered(input.copy, 3) })],
    ['alters the wrapped key', 'undecryptable_copy', (input) => ({ ...input, copy: altered(input.copy, 1) })],
    [
      'alters the header of the copy',
      'undecryptable_copy',
      (input) => ({ ...input, copy: withHeader(input.copy, {}) }),
    ],
    [
      'delivers the copy of another member',
      'undecryptable_copy',
      (input) => ({ ...input, keys: mallory.own.decryption }),
    ],
    ['alters the ciphertext', 'shared_altered', (input) => ({ ...input, shared: altered(input.shared!, 3) })],
    ['alters the tag', 'shared_altered', (input) => ({ ...input, shared: altered(input.shared!, 4) })],
    [
      'spells the ciphertext in another way',
      'shared_altered',
      (input) => ({ ...input, shared: `${input.shared}=` }),
    ],
    ['withholds the ciphertext', 'shared_missing', (input) => ({ ...input, shared: undefined })],
    [
      'swaps the ciphertext for another one',
      'shared_altered',
      async (input) => ({ ...input, shared: (await seal(ann, [bob])).shared }),
    ],
    [
      'names another sender',
      'unknown_key',
      (input) => ({
        ...input,
        envelope: { ...input.envelope, sender: mallory.userId },
        history: mallory.history,
      }),
    ],
    [
      'names another sender with the same keys',
      'wrong_sender',
      (input) => ({ ...input, envelope: { ...input.envelope, sender: mallory.userId } }),
    ],
    [
      'moves the message to another conversation',
      'wrong_conversation',
      (input) => ({ ...input, envelope: { ...input.envelope, conversation: userId(9) } }),
    ],
    ['hides the key history of the sender', 'unknown_key', (input) => ({ ...input, history: [] })],
    ['sends a copy of 3 KiB', 'too_large', (input) => ({ ...input, copy: 'A'.repeat(3072) })],
    ['sends a ciphertext of 65 KiB', 'too_large', (input) => ({ ...input, shared: 'A'.repeat(65 * 1024) })],
    ['sends something else', 'malformed_copy', (input) => ({ ...input, copy: 'Hello' })],
    [
      'spells the copy in another way',
      'malformed_copy',
      (input) => ({ ...input, copy: respelled(input.copy) }),
    ],
    [
      'adds a header to the copy',
      'malformed_copy',
      (input) => ({ ...input, copy: withHeader(input.copy, { zip: 'DEF' }) }),
    ],
    [
      'adds a critical header',
      'malformed_copy',
      (input) => ({ ...input, copy: withHeader(input.copy, { crit: ['b64'] }) }),
    ],
    [
      'names another algorithm',
      'malformed_copy',
      (input) => ({ ...input, copy: withHeader(input.copy, { alg: 'ECDH-ES' }) }),
    ],
    [
      'names another encryption',
      'malformed_copy',
      (input) => ({ ...input, copy: withHeader(input.copy, { enc: 'A128GCM' }) }),
    ],
    [
      'names a point that is not of the curve',
      'undecryptable_copy',
      (input) => {
        const { epk } = headerOf(input.copy)
        return { ...input, copy: withHeader(input.copy, { epk: { ...epk, y: epk.x } }) }
      },
    ],
  ])('%s: %s', async (_, failure, attack) => {
    const input = await attack(received(await seal(ann, [ann, bob]), ann, bob))
    expect(await openMessage(input)).toEqual({ ok: false, failure })
  })

  it('forges a message with a key of its own: unknown_key', async () => {
    const content = contentOf(ann)
    const sealed = await seal({ ...ann, own: mallory.own }, [bob], content)
    expect(await openMessage(received(sealed, ann, bob))).toEqual({ ok: false, failure: 'unknown_key' })
  })

  it('forges a message in the name of the right key: bad_signature', async () => {
    const signer = { kid: ann.own.signer.kid, privateKey: mallory.own.signer.privateKey }
    const sealed = await seal({ ...ann, own: { ...ann.own, signer } }, [bob])
    expect(await openMessage(received(sealed, ann, bob))).toEqual({ ok: false, failure: 'bad_signature' })
  })
})

describe('an attack by a member', () => {
  it.each<[string, MessageFailure, Record<string, unknown>, Record<string, unknown>]>([
    ['signs for another sender', 'wrong_sender', {}, { sender: userId(2) }],
    ['signs for another conversation', 'wrong_conversation', {}, { conversation: userId(7) }],
    ['signs as another type', 'malformed_message', { typ: 'parley-key-history+jws' }, {}],
    ['signs without a type', 'malformed_message', { typ: undefined }, {}],
    ['adds a critical header', 'malformed_message', { crit: ['b64'], b64: true }, {}],
    ['names another key', 'unknown_key', { kid: 'A'.repeat(43) }, {}],
    ['sends another version of the format', 'malformed_message', {}, { v: 2 }],
    ['sends text that is none', 'malformed_message', {}, { body: { text: 1 } }],
    ['starts with another counter than 1', 'malformed_message', {}, { counter: 2 }],
  ])('%s: %s', async (_, failure, header, content) => {
    const jws = await new CompactSign(encodeText(JSON.stringify({ v: 1, ...contentOf(ann), ...content })))
      .setProtectedHeader({ alg: 'ES256', kid: ann.own.signer.kid, typ: 'parley+jws', ...header })
      .sign(ann.own.signer.privateKey)
    expect(await openMessage(await encrypted(pad(jws)!))).toEqual({ ok: false, failure })
  })

  it('sends no signature: malformed_message', async () => {
    const header = Buffer.from(JSON.stringify({ alg: 'none', kid: ann.own.signer.kid, typ: 'parley+jws' }))
    const payload = Buffer.from(JSON.stringify({ v: 1, ...contentOf(ann) }))
    const jws = `${header.toString('base64url')}.${payload.toString('base64url')}.`
    expect(await openMessage(await encrypted(pad(jws)!))).toEqual({ ok: false, failure: 'malformed_message' })
  })

  it('sends bytes that are not text: malformed_message', async () => {
    expect(await openMessage(await encrypted(Uint8Array.of(0xff)))).toEqual({
      ok: false,
      failure: 'malformed_message',
    })
  })

  it('encrypts by another key than the copy names: malformed_message', async () => {
    const input = await encrypted(encodeText('x'), crypto.getRandomValues(new Uint8Array(32)))
    expect(await openMessage(input)).toEqual({ ok: false, failure: 'malformed_message' })
  })

  async function encrypted(plaintext: Uint8Array, keyInCopy?: Uint8Array): Promise<OpenInput> {
    const key = crypto.getRandomValues(new Uint8Array(32))
    const shared = await new CompactEncrypt(plaintext)
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .encrypt(key)
    const secret = new Uint8Array([...(keyInCopy ?? key), ...(await sha256(encodeText(shared)))])
    const copy = await new CompactEncrypt(secret)
      .setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM' })
      .encrypt(await importEncryptionKey(bob.history[0]!.encryption_key))
    const envelope = { conversation: CONVERSATION, sender: ann.userId }
    return { copy, shared, keys: bob.own.decryption, envelope, history: ann.history }
  }
})

/** The JWE with one bit changed in the middle of a part. */
function altered(jwe: string, part: number): string {
  const parts = jwe.split('.')
  const bytes = Buffer.from(parts[part]!, 'base64url')
  bytes[bytes.length >> 1]! ^= 1
  return parts.with(part, bytes.toString('base64url')).join('.')
}

/** The same bytes with another last character, of which 4 bits are not used. */
function respelled(jwe: string): string {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return jwe.slice(0, -1) + digits[digits.indexOf(jwe.at(-1)!) + 1]
}

function headerOf(jwe: string) {
  return JSON.parse(Buffer.from(jwe.split('.')[0]!, 'base64url').toString())
}

function withHeader(jwe: string, change: object): string {
  const { enc, ...rest } = headerOf(jwe)
  const header = JSON.stringify({ enc, ...rest, ...change })
  return jwe.split('.').with(0, Buffer.from(header).toString('base64url')).join('.')
}
