import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Content,
  decryptFile,
  decryptOriginal,
  encryptedSize,
  extendHistory,
  FileCipher,
  formatRecoveryKey,
  formatSafetyNumber,
  hashHeads,
  importOwnKeys,
  type KeyHistory,
  type OwnKeys,
  openAccountData,
  openConversationKey,
  openMessage,
  parseRecoveryKey,
  qrText,
  safetyNumber,
  sealMessage,
  unlockKeys,
} from '../../../src/client/encryption/index.ts'
import {
  decode,
  decryptCompact,
  encode,
  encryptCompact,
  hash,
  signParts,
  utf8,
  verifyParts,
} from './webcrypto-jose.ts'

const { subtle } = crypto
const vectors = JSON.parse(readFileSync(new URL('../../vectors/encryption.json', import.meta.url), 'utf8'))
const NAMES = ['ann', 'bob', 'carol'] as const
const ENVELOPE = { conversation: vectors.conversation, sender: vectors.accounts.ann.user_id }

let histories: Record<(typeof NAMES)[number], KeyHistory>
let own: Record<(typeof NAMES)[number], OwnKeys>
beforeAll(async () => {
  const pairs = await Promise.all(
    NAMES.map(async (name) => {
      const { user_id, history, keys } = vectors.accounts[name]
      return [name, await extendHistory(user_id, [], history), await importOwnKeys(keys)] as const
    }),
  )
  histories = Object.fromEntries(pairs.map(([name, history]) => [name, history])) as typeof histories
  own = Object.fromEntries(pairs.map(([name, , keys]) => [name, keys])) as typeof own
})

describe('the library', () => {
  it.each(NAMES)('unlocks and verifies the account of %s', async (name) => {
    const { user_id, secret, locked, keys, kid, thumbprint, hashes } = vectors.accounts[name]
    expect(await unlockKeys(user_id, locked, secret)).toEqual(keys)
    expect(histories[name].map((entry) => entry.hash)).toEqual(hashes)
    expect(histories[name].at(-1)).toMatchObject({ kid, thumbprint })
  })

  it('computes the recovery key, the heads and the safety number', async () => {
    const { recovery_key, heads, safety_number } = vectors
    expect(await formatRecoveryKey(decode(recovery_key.bytes))).toBe(recovery_key.shown)
    expect(await parseRecoveryKey(recovery_key.shown)).toBe(recovery_key.secret)
    expect(await hashHeads(new Map(Object.entries(heads.members)))).toBe(heads.hash)
    const [first, second] = safety_number.thumbprints
    expect(await safetyNumber(second, first)).toBe(safety_number.digits)
    expect(formatSafetyNumber(safety_number.digits)).toBe(safety_number.shown)
    expect(qrText(first, second)).toBe(safety_number.qr)
  })

  it.each<[string, (typeof vectors.messages)[number]]>(
    vectors.messages.map((message: { name: string }) => [message.name, message]),
  )('opens the message "%s"', async (_, { content, shared, copies, hash }) => {
    for (const name of NAMES) {
      const copy = copies[vectors.accounts[name].user_id]
      const keys = own[name].decryption
      const opened = await openMessage({ copy, shared, keys, envelope: ENVELOPE, history: histories.ann })
      expect(opened).toMatchObject({ ok: true, content, hash })
    }
  })

  it.each<[string, (typeof vectors.invalid_messages)[number]]>(
    vectors.invalid_messages.map((message: { name: string }) => [message.name, message]),
  )('refuses the message with %s', async (_, { copy, shared, failure }) => {
    const keys = own.bob.decryption
    const opened = await openMessage({ copy, shared, keys, envelope: ENVELOPE, history: histories.ann })
    expect(opened).toEqual({ ok: false, failure })
  })

  it('decrypts the files', async () => {
    for (const { encrypted, ...file } of vectors.files) {
      expect(encryptedSize(file.size)).toBe(file.encrypted_size)
      const bytes = encrypted === undefined ? await encryptByWebCrypto(file) : decode(encrypted)
      expect(encode(await sha256(bytes))).toBe(file.sha256)
      const parts: Uint8Array<ArrayBuffer>[] = []
      const source = new Blob([bytes]).stream()
      for await (const part of decryptFile(await FileCipher.open(file), source, file.digest)) parts.push(part)
      expect(Buffer.compare(Buffer.concat(parts), plaintextOf(file.size))).toBe(0)
    }
  })

  it('opens account data and the key pair of a conversation', async () => {
    const { account_data, conversation_keys, accounts, conversation } = vectors
    const { name, revision, data, sealed } = account_data
    const expected = { userId: accounts.ann.user_id, name }
    const opened = await openAccountData(sealed, expected, own.ann.decryption, histories.ann)
    expect(opened).toEqual({ ...expected, revision, data })
    const key = await openConversationKey(conversation, conversation_keys.private_key, own.ann.decryption)
    for (const { text, copy } of conversation_keys.copies) expect(await decryptOriginal(key, copy)).toBe(text)
  })
})

describe('WebCrypto alone', () => {
  it.each(NAMES)('unlocks the account of %s', async (name) => {
    const { user_id, secret, locked, keys } = vectors.accounts[name]
    const passphrase = secret.includes('-') ? secret.replaceAll('-', '') : secret.normalize('NFKC')
    const plaintext = await decryptCompact({ passphrase }, locked)
    expect(readJson(plaintext)).toEqual({ v: 1, user_id, keys })
  })

  it.each(NAMES)('verifies the signatures of the key history of %s', async (name) => {
    const { history, hashes } = vectors.accounts[name]
    let previousKey: JsonWebKeyLike | undefined
    for (const [index, { payload, signatures }] of history.entries()) {
      const content = readJson(decode(payload))
      expect(content).toMatchObject({ v: 1, version: index + 1, previous: hashes[index - 1] ?? null })
      expect(await hash(payload)).toBe(hashes[index])
      const keys = [content.signing_key, ...(previousKey && !content.reset ? [previousKey] : [])]
      expect(signatures).toHaveLength(keys.length)
      for (const [position, key] of keys.entries()) {
        const { protected: header, signature } = signatures[position]
        expect(readJson(decode(header))).toEqual({
          alg: 'ES256',
          kid: await kidOf(key),
          typ: 'parley-key-history+jws',
        })
        expect(await verifyParts([header, payload, signature], key)).toBe(true)
      }
      previousKey = content.signing_key
    }
  })

  it('computes the thumbprint of an account', async () => {
    const { history, thumbprint, user_id } = vectors.accounts.ann
    const { encryption_key, signing_key } = readJson(decode(history.at(-1).payload))
    expect(await hash(JSON.stringify({ encryption_key, signing_key, user_id }))).toBe(thumbprint)
  })

  it.each<[string, (typeof vectors.messages)[number]]>(
    vectors.messages.map((message: { name: string }) => [message.name, message]),
  )('opens the message "%s"', async (_, message) => {
    for (const name of NAMES) {
      const { user_id, keys } = vectors.accounts[name]
      const secret = await decryptCompact({ jwk: keys[0].encryption_key }, message.copies[user_id])
      expect(encode(secret.subarray(0, 32))).toBe(message.content_key)
      expect(encode(secret.subarray(32))).toBe(await hash(message.shared))
    }
    const padded = await decryptCompact({ key: decode(message.content_key) }, message.shared)
    expect([1024, 2048, 4096, 8192, 12_288]).toContain(padded.length)
    expect(new TextDecoder().decode(padded).trimEnd()).toBe(message.jws)
    expect(await hash(message.jws)).toBe(message.hash)
    const [header, payload] = message.jws.split('.')
    const { signing_key } = vectors.accounts.ann.keys[0]
    expect(readJson(decode(header))).toEqual({
      alg: 'ES256',
      kid: await kidOf(signing_key),
      typ: 'parley+jws',
    })
    expect(await verifyParts(message.jws.split('.'), publicHalf(signing_key))).toBe(true)
    expect(readJson(decode(payload))).toEqual({ v: 1, ...message.content })
  })

  it('seals a message that the library opens', async () => {
    const { ann, bob } = vectors.accounts
    const content: Content = vectors.messages[0].content
    const header = { alg: 'ES256', kid: ann.kid, typ: 'parley+jws' }
    const parts = await signParts(header, JSON.stringify({ v: 1, ...content }), ann.keys[0].signing_key)
    const key = crypto.getRandomValues(new Uint8Array(32))
    const shared = await encryptCompact({ key }, utf8(parts.join('.').padEnd(2048)))
    const secret = new Uint8Array([...key, ...decode(await hash(shared))])
    const copy = await encryptCompact({ jwk: publicHalf(bob.keys[0].encryption_key) }, secret)
    const keys = own.bob.decryption
    const opened = await openMessage({ copy, shared, keys, envelope: ENVELOPE, history: histories.ann })
    expect(opened).toMatchObject({ ok: true, content, hash: await hash(parts.join('.')) })
  })

  it('opens a message that the library seals', async () => {
    const { ann, bob } = vectors.accounts
    const content: Content = vectors.messages[0].content
    const recipients = new Map([[bob.user_id, histories.bob.at(-1)!.encryption_key]])
    const sealed = await sealMessage({ content, signer: own.ann.signer, recipients })
    const secret = await decryptCompact({ jwk: bob.keys[0].encryption_key }, sealed.copies[bob.user_id]!)
    const padded = await decryptCompact({ key: secret.subarray(0, 32) }, sealed.shared)
    const jws = new TextDecoder().decode(padded).trimEnd()
    expect(await verifyParts(jws.split('.'), publicHalf(ann.keys[0].signing_key))).toBe(true)
    expect(readJson(decode(jws.split('.')[1]!))).toEqual({ v: 1, ...content })
  })

  it('locks keys that the library unlocks', async () => {
    const { user_id, keys } = vectors.accounts.bob
    const passphrase = 'nine tall herons'
    const locked = await encryptCompact({ passphrase }, utf8(JSON.stringify({ v: 1, user_id, keys })))
    expect(await unlockKeys(user_id, locked, passphrase)).toEqual(keys)
  })

  it('computes the safety number', async () => {
    const { thumbprints, digits } = vectors.safety_number
    const numbers = await Promise.all(
      thumbprints.map(async (thumbprint: string) => {
        const key = await subtle.importKey('raw', decode(thumbprint), 'PBKDF2', false, ['deriveBits'])
        const salt = utf8('parley.1 safety number')
        const parameters = { name: 'PBKDF2', hash: 'SHA-512', salt, iterations: 100_000 }
        const bytes = Buffer.from(await subtle.deriveBits(parameters, key, 240))
        return [0, 5, 10, 15, 20, 25]
          .map((at) => String(bytes.readUIntBE(at, 5) % 100_000).padStart(5, '0'))
          .join('')
      }),
    )
    expect(numbers.sort().join('')).toBe(digits)
  })

  it('encrypts the files', async () => {
    for (const file of vectors.files) {
      const bytes = await encryptByWebCrypto(file)
      expect(encode(await sha256(bytes))).toBe(file.sha256)
      const chunks = file.chunk_hashes.map((_: string, index: number) =>
        bytes.subarray(index * 65_552, (index + 1) * 65_552),
      )
      const hashes = await Promise.all(chunks.map(sha256))
      expect(hashes.map(encode)).toEqual(file.chunk_hashes)
      expect(encode(await sha256(new Uint8Array(Buffer.concat(hashes))))).toBe(file.digest)
    }
  })

  it('opens the private half of the key pair of a conversation', async () => {
    const { public_key, private_key, copies } = vectors.conversation_keys
    const { encryption_key } = vectors.accounts.ann.keys[0]
    const { v, conversation, ...members } = readJson(
      await decryptCompact({ jwk: encryption_key }, private_key.d),
    )
    expect({ v, conversation, n: members.n }).toEqual({
      v: 1,
      conversation: vectors.conversation,
      n: public_key.n,
    })
    const algorithm = { name: 'RSA-OAEP', hash: 'SHA-256' }
    const key = await subtle.importKey('jwk', { kty: 'RSA', ...members }, algorithm, false, ['decrypt'])
    for (const { text, copy } of copies) {
      const plaintext = await subtle.decrypt(algorithm, key, Buffer.from(copy, 'base64'))
      expect(new TextDecoder().decode(plaintext)).toBe(text)
    }
  })
})

interface JsonWebKeyLike {
  crv: string
  kty: string
  x: string
  y: string
}

function publicHalf({ crv, kty, x, y }: JsonWebKeyLike): JsonWebKeyLike {
  return { crv, kty, x, y }
}

/** RFC 7638. */
function kidOf(key: JsonWebKeyLike): Promise<string> {
  return hash(JSON.stringify(publicHalf(key)))
}

function readJson(bytes: Uint8Array) {
  return JSON.parse(new TextDecoder().decode(bytes))
}

function plaintextOf(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, index) => index % 251)
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await subtle.digest('SHA-256', bytes))
}

async function encryptByWebCrypto({ key, nonce, size }: { key: string; nonce: string; size: number }) {
  const imported = await subtle.importKey('raw', decode(key), 'AES-GCM', false, ['encrypt'])
  const plaintext = plaintextOf(size)
  const count = Math.max(1, Math.ceil(size / 65_536))
  const chunks = Array.from({ length: count }, async (_, index) => {
    const iv = new Uint8Array([...decode(nonce), 0, 0, 0, index, index === count - 1 ? 1 : 0])
    const part = plaintext.subarray(index * 65_536, (index + 1) * 65_536)
    return new Uint8Array(await subtle.encrypt({ name: 'AES-GCM', iv }, imported, part))
  })
  return new Uint8Array(await new Blob(await Promise.all(chunks)).arrayBuffer())
}
