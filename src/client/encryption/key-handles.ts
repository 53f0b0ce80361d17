import type { CryptoKey } from 'jose'
import { type PrivateJwk, type PublicJwk, publicHalf } from '../../account-keys/jwk.ts'
import { EncryptionError } from './errors.ts'

/** Imported public keys. Importing a key takes as long as using it, and a conversation uses the same ones for every message. */
const imported = new Map<string, Promise<CryptoKey>>()
const MAX_IMPORTED_KEYS = 5000

/** The public key of a member, for encrypting to it. */
export function importEncryptionKey(jwk: PublicJwk): Promise<CryptoKey> {
  return importOnce('ECDH', jwk, [])
}

/** The public key of a member, for verifying what it signed. */
export function importSigningKey(jwk: PublicJwk): Promise<CryptoKey> {
  return importOnce('ECDSA', jwk, ['verify'])
}

/** A private encryption key. It cannot be exported again. Throws `invalid_keys`. */
export function importDecryptionKey(jwk: PrivateJwk): Promise<CryptoKey> {
  return importKey('ECDH', jwk, ['deriveBits'])
}

/** A private signing key. It cannot be exported again. Throws `invalid_keys`. */
export function importSigner(jwk: PrivateJwk): Promise<CryptoKey> {
  return importKey('ECDSA', jwk, ['sign'])
}

/** A new key pair of P-256. */
export async function generateJwk(): Promise<{ private: PrivateJwk; public: PublicJwk }> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, true, ['deriveBits'])
  const { x, y, d } = await crypto.subtle.exportKey('jwk', pair.privateKey)
  const key: PrivateJwk = { crv: 'P-256', d: d!, kty: 'EC', x: x!, y: y! }
  return { private: key, public: publicHalf(key) }
}

function importOnce(name: 'ECDH' | 'ECDSA', jwk: PublicJwk, usages: 'verify'[]): Promise<CryptoKey> {
  const id = `${name} ${jwk.x} ${jwk.y}`
  const known = imported.get(id)
  if (known) return known
  if (imported.size >= MAX_IMPORTED_KEYS) imported.delete(imported.keys().next().value!)
  const key = importKey(name, jwk, usages)
  imported.set(id, key)
  return key
}

async function importKey(
  name: 'ECDH' | 'ECDSA',
  { crv, kty, x, y, ...secret }: PublicJwk | PrivateJwk,
  usages: ('verify' | 'sign' | 'deriveBits')[],
): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey(
      'jwk',
      { crv, kty, x, y, ...secret },
      { name, namedCurve: 'P-256' },
      false,
      usages,
    )
  } catch (cause) {
    throw new EncryptionError('invalid_keys', 'The key is not a key of P-256.', { cause })
  }
}
