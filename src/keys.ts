import { hkdfSync } from 'node:crypto'

/** Derives an independent 32-byte key for each purpose from a secret, by HKDF-SHA-256 (RFC 5869). */
export function deriveKey(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `parley ${purpose}`, 32))
}
