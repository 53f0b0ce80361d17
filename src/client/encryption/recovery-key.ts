import { type Bytes, sha256 } from '../../account-keys/encoding.ts'
import { EncryptionError } from './errors.ts'

/** Crockford's base 32. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

const KEY_BYTES = 16
const LENGTH = 28

/** A new recovery key: 128 random bits as seven groups of four characters, of which the last 12 bits check the others. */
export function generateRecoveryKey(): Promise<string> {
  return formatRecoveryKey(crypto.getRandomValues(new Uint8Array(KEY_BYTES)))
}

/** Writes 16 bytes as a recovery key. */
export async function formatRecoveryKey(bytes: Bytes): Promise<string> {
  const bits = (toInteger(bytes) << 12n) | (await checkOf(bytes))
  const digits = Array.from({ length: LENGTH }, (_, index) => {
    return DIGITS[Number((bits >> BigInt(5 * (LENGTH - 1 - index))) & 31n)]
  })
  return digits.join('').replace(/.{4}(?=.)/g, '$&-')
}

/**
 * The secret of a recovery key as it is used for locking: 28 characters without separators. Accepts any case, spaces and hyphens, and
 * `I`, `L` and `O` for the digits they resemble. Throws `invalid_recovery_key`.
 */
export async function parseRecoveryKey(text: string): Promise<string> {
  const digits = text.toUpperCase().replace(/[\s-]/g, '').replace(/[IL]/g, '1').replace(/O/g, '0')
  const isWhole = digits.length === LENGTH && [...digits].every((digit) => DIGITS.includes(digit))
  const bits = isWhole
    ? [...digits].reduce((sum, digit) => (sum << 5n) | BigInt(DIGITS.indexOf(digit)), 0n)
    : 0n
  const bytes = Uint8Array.from({ length: KEY_BYTES }, (_, index) =>
    Number((bits >> BigInt(132 - 8 * index)) & 255n),
  )
  if (!isWhole || (await checkOf(bytes)) !== (bits & 0xfffn)) {
    throw new EncryptionError('invalid_recovery_key', 'This is not a recovery key. Check every character.')
  }
  return digits
}

/** The first 12 bits of the SHA-256. */
async function checkOf(bytes: Bytes): Promise<bigint> {
  const hash = await sha256(bytes)
  return toInteger(hash.subarray(0, 2)) >> 4n
}

function toInteger(bytes: Bytes): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}
