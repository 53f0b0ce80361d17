import { decodeBase64url, decodeText, parseJsonObject } from '../../account-keys/index.ts'
import { invalidField } from '../../errors.ts'

/** Maximum size of the locked private keys of an account, in bytes. */
const MAX_LOCKED_BYTES = 16_384
/** Minimum number of PBKDF2 iterations. */
const MIN_ITERATIONS = 600_000
/** RFC 7518, section 4.8.1.1, demands eight. */
const MIN_SALT_BYTES = 16
/** A content key of 256 bits, wrapped by AES-KW (RFC 3394). */
const WRAPPED_KEY_BYTES = 40
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** The members of a private JWK that are secret besides `d` (RFC 7518, section 6). */
const SECRET_MEMBERS = ['p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/** The decoded parts of a JWE in compact serialization (RFC 7516, section 7.1). */
interface CompactJwe {
  header: Record<string, unknown>
  encryptedKey: Uint8Array
  nonce: Uint8Array
  ciphertext: Uint8Array
  tag: Uint8Array
}

/**
 * Checks that the private keys of an account are encrypted: a compact JWE of PBES2-HS512+A256KW and A256GCM. Whether the ciphertext
 * hides them only their owner knows.
 * @throws AppError `validation_failed`.
 */
export function requireLocked(locked: string): void {
  if (Buffer.byteLength(locked) > MAX_LOCKED_BYTES) {
    throw invalidField('locked', `must have at most ${MAX_LOCKED_BYTES} bytes`)
  }
  const jwe = readCompactJwe(locked)
  if (!jwe) throw invalidField('locked', 'must be a JWE in compact serialization')
  const { alg, enc, p2c, p2s, zip } = jwe.header
  if (alg !== 'PBES2-HS512+A256KW' || enc !== 'A256GCM' || zip !== undefined) {
    throw invalidField('locked', 'must be encrypted by PBES2-HS512+A256KW and A256GCM')
  }
  if (typeof p2c !== 'number' || !Number.isSafeInteger(p2c) || p2c < MIN_ITERATIONS) {
    throw invalidField('locked', `must have a p2c of at least ${MIN_ITERATIONS}`)
  }
  const salt = typeof p2s === 'string' ? decodeBase64url(p2s) : undefined
  if (!salt || salt.length < MIN_SALT_BYTES) {
    throw invalidField('locked', `must have a p2s of at least ${MIN_SALT_BYTES} bytes`)
  }
  if (
    jwe.encryptedKey.length !== WRAPPED_KEY_BYTES ||
    jwe.nonce.length !== NONCE_BYTES ||
    jwe.tag.length !== TAG_BYTES
  ) {
    throw invalidField('locked', 'has a part of the wrong length')
  }
}

/** Whether a private JWK has no secret member that could be read: `d` is a compact JWE, and the others are absent. */
export function isLockedJwk(jwk: Record<string, unknown>): boolean {
  if (SECRET_MEMBERS.some((name) => jwk[name] !== undefined && jwk[name] !== null)) return false
  const jwe = typeof jwk.d === 'string' ? readCompactJwe(jwk.d) : undefined
  return typeof jwe?.header.alg === 'string' && typeof jwe.header.enc === 'string' && jwe.tag.length > 0
}

function readCompactJwe(text: string): CompactJwe | undefined {
  const parts = text.split('.')
  const [head, encryptedKey, nonce, ciphertext, tag] = parts.map(decodeBase64url)
  if (parts.length !== 5 || !head || !encryptedKey || !nonce || !ciphertext?.length || !tag) return undefined
  const header = parseJsonObject(decodeText(head))
  return header && { header, encryptedKey, nonce, ciphertext, tag }
}
