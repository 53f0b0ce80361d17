import { hkdfSync } from 'node:crypto'

/** A 32-byte key for one purpose, derived from a secret by HKDF-SHA-256 (RFC 5869): keys of two purposes tell nothing of each other. */
export function deriveKey(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `parley ${purpose}`, 32))
}
