import { type Bytes, decodeBase64url, encodeText } from '../../account-keys/encoding.ts'

const ITERATIONS = 100_000
const GROUPS = 6

/** The safety number of two accounts: 60 digits, the same on both sides. */
export async function safetyNumber(thumbprint: string, otherThumbprint: string): Promise<string> {
  const numbers = await Promise.all([thumbprint, otherThumbprint].map(numberOf))
  return numbers.sort().join('')
}

/** A safety number as people read it: twelve groups of five digits. */
export function formatSafetyNumber(digits: string): string {
  return digits.replace(/\d{5}(?=\d)/g, '$& ')
}

/** The text of a QR code for two accounts: the same on both sides, so that a scanner compares it with its own. */
export function qrText(thumbprint: string, otherThumbprint: string): string {
  return ['parley.1', ...[thumbprint, otherThumbprint].sort()].join(':')
}

/** The 30 digits of one account. */
async function numberOf(thumbprint: string): Promise<string> {
  const bytes: Bytes = decodeBase64url(thumbprint) ?? new Uint8Array()
  const key = await crypto.subtle.importKey('raw', bytes, 'PBKDF2', false, ['deriveBits'])
  const salt = encodeText('parley.1 safety number')
  const parameters = { name: 'PBKDF2', hash: 'SHA-512', salt, iterations: ITERATIONS }
  const derived = new Uint8Array(await crypto.subtle.deriveBits(parameters, key, GROUPS * 5 * 8))
  const groups = Array.from({ length: GROUPS }, (_, index) => derived.subarray(index * 5, index * 5 + 5))
  return groups.map((group) => String(toNumber(group) % 100_000).padStart(5, '0')).join('')
}

function toNumber(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0)
}
