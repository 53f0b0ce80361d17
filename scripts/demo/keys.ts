import { webcrypto } from 'node:crypto'

type JsonWebKey = webcrypto.JsonWebKey

const { subtle } = webcrypto
const RSA = { name: 'RSA-OAEP', hash: 'SHA-256' } as const
const PBKDF2_ITERATIONS = 600_000
const SALT_BYTES = 16
const IV_BYTES = 12

/** A key pair as the server stores it: two JWKs. The private key is encrypted with the passphrase. */
export interface StoredKeys {
  publicKey: JsonWebKey
  privateKey: JsonWebKey
}

/** A user's passphrase. It encrypts the private keys that the server stores, and is never sent. */
export class Passphrase {
  readonly #secret: string
  readonly #wrappingKeys = new Map<string, Promise<webcrypto.CryptoKey>>()
  readonly #salt = webcrypto.getRandomValues(new Uint8Array(SALT_BYTES))

  constructor(secret: string) {
    this.#secret = secret
  }

  /** @returns the JWK with all its secret fields encrypted (salt, IV, AES-GCM) in the field `d`. */
  async encryptKey({ d, p, q, dp, dq, qi, ...publicFields }: JsonWebKey): Promise<JsonWebKey> {
    const iv = webcrypto.getRandomValues(new Uint8Array(IV_BYTES))
    const secrets = Buffer.from(JSON.stringify({ d, p, q, dp, dq, qi }))
    const encrypted = await subtle.encrypt(
      { name: 'AES-GCM', iv },
      await this.#wrappingKey(this.#salt),
      secrets,
    )
    return {
      ...publicFields,
      d: Buffer.concat([this.#salt, iv, Buffer.from(encrypted)]).toString('base64url'),
    }
  }

  /** The inverse of `encryptKey`. @throws if the passphrase is wrong. */
  async decryptKey(jwk: JsonWebKey): Promise<JsonWebKey> {
    const bytes = Buffer.from(jwk.d!, 'base64url')
    const wrappingKey = await this.#wrappingKey(bytes.subarray(0, SALT_BYTES))
    const iv = bytes.subarray(SALT_BYTES, SALT_BYTES + IV_BYTES)
    const encrypted = bytes.subarray(SALT_BYTES + IV_BYTES)
    const secrets = await subtle.decrypt({ name: 'AES-GCM', iv }, wrappingKey, encrypted)
    return { ...jwk, ...JSON.parse(Buffer.from(secrets).toString()) }
  }

  /** Cached by salt, because the derivation is slow by design. */
  #wrappingKey(salt: Uint8Array): Promise<webcrypto.CryptoKey> {
    const id = Buffer.from(salt).toString('hex')
    const known = this.#wrappingKeys.get(id)
    if (known) return known
    const derived = deriveWrappingKey(this.#secret, salt)
    this.#wrappingKeys.set(id, derived)
    return derived
  }
}

/** A user's key pair for one conversation. */
export class KeyPair {
  readonly publicKey: JsonWebKey
  readonly privateKey: JsonWebKey

  private constructor(publicKey: JsonWebKey, privateKey: JsonWebKey) {
    this.publicKey = publicKey
    this.privateKey = privateKey
  }

  static async generate(): Promise<KeyPair> {
    const options = { ...RSA, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }
    const pair = await subtle.generateKey(options, true, ['encrypt', 'decrypt'])
    return new KeyPair(
      await subtle.exportKey('jwk', pair.publicKey),
      await subtle.exportKey('jwk', pair.privateKey),
    )
  }

  /** Decrypts a key pair that the server stored. */
  static async restore(stored: StoredKeys, passphrase: Passphrase): Promise<KeyPair> {
    return new KeyPair(stored.publicKey, await passphrase.decryptKey(stored.privateKey))
  }

  async stored(passphrase: Passphrase): Promise<StoredKeys> {
    return { publicKey: this.publicKey, privateKey: await passphrase.encryptKey(this.privateKey) }
  }

  /** Decrypts a message copy. */
  async decrypt(content: string): Promise<string> {
    const key = await subtle.importKey('jwk', withoutNulls(this.privateKey), RSA, false, ['decrypt'])
    return Buffer.from(await subtle.decrypt(RSA, key, Buffer.from(content, 'base64'))).toString()
  }
}

/** Encrypts a text for one recipient. RSA-OAEP with this key size takes at most 190 bytes. */
export async function encryptFor(publicKey: JsonWebKey, text: string): Promise<string> {
  const key = await subtle.importKey('jwk', withoutNulls(publicKey), RSA, false, ['encrypt'])
  return Buffer.from(await subtle.encrypt(RSA, key, Buffer.from(text))).toString('base64')
}

async function deriveWrappingKey(secret: string, salt: Uint8Array): Promise<webcrypto.CryptoKey> {
  const base = await subtle.importKey('raw', Buffer.from(secret), 'PBKDF2', false, ['deriveKey'])
  const options = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: PBKDF2_ITERATIONS }
  return subtle.deriveKey(options, base, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}

/** With `CONTRACT=legacy` the server sends null for absent fields, which WebCrypto rejects. */
function withoutNulls(jwk: JsonWebKey): JsonWebKey {
  return Object.fromEntries(Object.entries(jwk).filter(([, value]) => value !== null))
}
