import { canonicalJson, decodeBase64url, hasExactly, hashText, isObject } from './encoding.ts'
import { KeyError } from './errors.ts'

/** A public key of P-256 as a JWK (RFC 7517) with exactly these members. */
export interface PublicJwk {
  crv: 'P-256'
  kty: 'EC'
  x: string
  y: string
}

/** A private key of P-256 as a JWK with exactly these members. */
export interface PrivateJwk extends PublicJwk {
  d: string
}

/** The two public keys of an account. */
export interface PublicKeys {
  encryption_key: PublicJwk
  signing_key: PublicJwk
}

/** The field prime of P-256, and the constant term of its equation (SEC 2, section 2.4.2). */
const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn

/** The order of its group. */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** Checks that a value is a public JWK: exactly its members, coordinates of 32 bytes, a point of the curve. Throws `invalid_key`. */
export function parsePublicJwk(value: unknown): PublicJwk {
  if (!isObject(value) || !hasExactly(value, ['crv', 'kty', 'x', 'y'])) {
    throw new KeyError('invalid_key', 'A public key has exactly the members crv, kty, x and y.')
  }
  return parsePoint(value)
}

/** Checks that a value is a private JWK. That `d` belongs to the point is checked by whoever uses it. Throws `invalid_key`. */
export function parsePrivateJwk(value: unknown): PrivateJwk {
  if (!isObject(value) || !hasExactly(value, ['crv', 'd', 'kty', 'x', 'y'])) {
    throw new KeyError('invalid_key', 'A private key has exactly the members crv, d, kty, x and y.')
  }
  const d = readInteger(value.d)
  if (d === undefined || d === 0n || d >= N)
    throw new KeyError('invalid_key', 'The private key is out of range.')
  return { ...parsePoint(value), d: String(value.d) }
}

/** The public half of a private JWK. */
export function publicHalf({ crv, kty, x, y }: PrivateJwk): PublicJwk {
  return { crv, kty, x, y }
}

/** Whether two public JWKs are the same key. */
export function isSameKey(a: PublicJwk, b: PublicJwk): boolean {
  return a.x === b.x && a.y === b.y
}

/** The `kid` of a key: its JWK thumbprint (RFC 7638) with SHA-256. */
export function keyThumbprint({ crv, kty, x, y }: PublicJwk): Promise<string> {
  return hashText(canonicalJson({ crv, kty, x, y }))
}

/** The thumbprint of an account: a hash of both public keys and the id of their user. */
export function accountThumbprint(
  userId: string,
  { encryption_key, signing_key }: PublicKeys,
): Promise<string> {
  return hashText(canonicalJson({ encryption_key, signing_key, user_id: userId }))
}

function parsePoint(value: Record<string, unknown>): PublicJwk {
  const { crv, kty } = value
  if (kty !== 'EC' || crv !== 'P-256') throw new KeyError('invalid_key', 'The key is not of the curve P-256.')
  const [x, y] = [readInteger(value.x), readInteger(value.y)]
  if (x === undefined || y === undefined || x >= P || y >= P) {
    throw new KeyError(
      'invalid_key',
      'A coordinate of the key is not 32 bytes in base64url, or out of range.',
    )
  }
  // WebCrypto checks this too, but in some implementations only when the key is used.
  if ((y * y - (x * x * x - 3n * x + B)) % P !== 0n) {
    throw new KeyError('invalid_key', 'The key is not a point of the curve.')
  }
  return { crv, kty, x: String(value.x), y: String(value.y) }
}

function readInteger(text: unknown): bigint | undefined {
  const bytes = typeof text === 'string' && text.length === 43 ? decodeBase64url(text) : undefined
  return bytes?.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}
