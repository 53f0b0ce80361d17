import { webcrypto } from 'node:crypto'

type JsonWebKey = webcrypto.JsonWebKey

const { subtle } = webcrypto
const RSA = { name: 'RSA-OAEP', hash: 'SHA-256' } as const
const PASSPHRASE_ROUNDS = 600_000
const SALT_BYTES = 16
const IV_BYTES = 12

/** A key pair as the server stores it: both halves are JWKs, and the private one cannot be used without the passphrase. */
export interface StoredKeys {
  publicKey: JsonWebKey
  privateKey: JsonWebKey
}

/** A person's secret that never leaves their device: it locks the private keys that the server keeps for them. */
export class Passphrase {
  readonly #secret: string
  readonly #wrappingKeys = new Map<string, Promise<webcrypto.CryptoKey>>()
  readonly #salt = webcrypto.getRandomValues(new Uint8Array(SALT_BYTES))

  constructor(secret: string) {
    this.#secret = secret
  }

  /** @returns the same JWK with all its secret numbers sealed (salt, IV, AES-GCM) into the one field `d`. */
  async lock({ d, p, q, dp, dq, qi, ...open }: JsonWebKey): Promise<JsonWebKey> {
    const iv = webcrypto.getRandomValues(new Uint8Array(IV_BYTES))
    const secrets = Buffer.from(JSON.stringify({ d, p, q, dp, dq, qi }))
    const sealed = await subtle.encrypt({ name: 'AES-GCM', iv }, await this.#wrappingKey(this.#salt), secrets)
    return { ...open, d: Buffer.concat([this.#salt, iv, Buffer.from(sealed)]).toString('base64url') }
  }

  /** The inverse of `lock`. @throws when the passphrase is another one. */
  async unlock(jwk: JsonWebKey): Promise<JsonWebKey> {
    const bytes = Buffer.from(jwk.d!, 'base64url')
    const wrappingKey = await this.#wrappingKey(bytes.subarray(0, SALT_BYTES))
    const iv = bytes.subarray(SALT_BYTES, SALT_BYTES + IV_BYTES)
    const sealed = bytes.subarray(SALT_BYTES + IV_BYTES)
    const secrets = await subtle.decrypt({ name: 'AES-GCM', iv }, wrappingKey, sealed)
    return { ...jwk, ...JSON.parse(Buffer.from(secrets).toString()) }
  }

  /** Slow by design, hence once per salt. */
  #wrappingKey(salt: Uint8Array): Promise<webcrypto.CryptoKey> {
    const id = Buffer.from(salt).toString('hex')
    const known = this.#wrappingKeys.get(id)
    if (known) return known
    const derived = deriveWrappingKey(this.#secret, salt)
    this.#wrappingKeys.set(id, derived)
    return derived
  }
}

/** One person's key pair for one conversation. */
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

  /** Recovers the pair from what the server kept. */
  static async restore(stored: StoredKeys, passphrase: Passphrase): Promise<KeyPair> {
    return new KeyPair(stored.publicKey, await passphrase.unlock(stored.privateKey))
  }

  async stored(passphrase: Passphrase): Promise<StoredKeys> {
    return { publicKey: this.publicKey, privateKey: await passphrase.lock(this.privateKey) }
  }

  /** Reads a copy that was encrypted for this pair. */
  async decrypt(content: string): Promise<string> {
    const key = await subtle.importKey('jwk', withoutNulls(this.privateKey), RSA, false, ['decrypt'])
    return Buffer.from(await subtle.decrypt(RSA, key, Buffer.from(content, 'base64'))).toString()
  }
}

/** One recipient's copy of a text; RSA-OAEP of this size takes at most 190 bytes. */
export async function encryptFor(publicKey: JsonWebKey, text: string): Promise<string> {
  const key = await subtle.importKey('jwk', withoutNulls(publicKey), RSA, false, ['encrypt'])
  return Buffer.from(await subtle.encrypt(RSA, key, Buffer.from(text))).toString('base64')
}

async function deriveWrappingKey(secret: string, salt: Uint8Array): Promise<webcrypto.CryptoKey> {
  const base = await subtle.importKey('raw', Buffer.from(secret), 'PBKDF2', false, ['deriveKey'])
  const options = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: PASSPHRASE_ROUNDS }
  return subtle.deriveKey(options, base, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}

/** A server that speaks the legacy dialect fills absent fields with null, which WebCrypto refuses. */
function withoutNulls(jwk: JsonWebKey): JsonWebKey {
  return Object.fromEntries(Object.entries(jwk).filter(([, value]) => value !== null))
}
