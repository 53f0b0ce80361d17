import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A new token that cannot be guessed: 32 random bytes, base64url. */
export function newToken(): string {
  return randomBytes(32).toString('base64url')
}

/** The SHA-256 hash of a token. Only this is stored, so that a leaked database contains no usable tokens. */
export function hashToken(token: string): Uint8Array {
  return createHash('sha256').update(token).digest()
}

/** Compares two secrets in constant time. */
export function isSameSecret(one: string, other: string): boolean {
  return timingSafeEqual(hashToken(one), hashToken(other))
}
