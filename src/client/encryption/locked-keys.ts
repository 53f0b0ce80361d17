import {
  decodeBase64url,
  decodeText,
  encodeText,
  hasExactly,
  isObject,
  parseJsonObject,
} from '../../account-keys/encoding.ts'
import { isInteger } from '../../account-keys/fields.ts'
import { type PrivateJwk, parsePrivateJwk } from '../../account-keys/jwk.ts'
import { EncryptionError } from './errors.ts'
import { decryptJwe, encryptJwe, MAX_PBES2_COUNT, readJweHeader } from './jwe.ts'
import { parseRecoveryKey } from './recovery-key.ts'

/** The private keys of an account from one version of its key history on. */
export interface PrivateKeyPair {
  version: number
  encryption_key: PrivateJwk
  signing_key: PrivateJwk
}

/** The least count of PBES2. */
export const MIN_PBES2_COUNT = 600_000

/** The most pairs that are kept. More would not fit the 16 KiB that the server stores. */
export const MAX_KEY_PAIRS = 20

/** The shortest passphrase, in characters. */
export const MIN_PASSPHRASE_LENGTH = 12

const ALGORITHM = 'PBES2-HS512+A256KW'
const MAX_LOCKED_LENGTH = 16_384

/**
 * Encrypts the private keys of a user, newest first, under a passphrase or a recovery key. Of more than 20 pairs the oldest are left
 * out. Throws `weak_secret` for a passphrase of fewer than 12 characters.
 */
export async function lockKeys(
  userId: string,
  keys: readonly PrivateKeyPair[],
  secret: string,
  count = MIN_PBES2_COUNT,
): Promise<string> {
  if (Array.from(secret.normalize('NFKC')).length < MIN_PASSPHRASE_LENGTH) {
    throw new EncryptionError('weak_secret', `A passphrase has at least ${MIN_PASSPHRASE_LENGTH} characters.`)
  }
  const plaintext = JSON.stringify({ v: 1, user_id: userId, keys: keys.slice(0, MAX_KEY_PAIRS) })
  return encryptJwe(ALGORITHM, await secretBytes(secret), encodeText(plaintext), { p2c: count })
}

/**
 * Decrypts the private keys of a user, newest first. Throws `wrong_secret` if the secret does not open them. A lock that is too weak, or
 * that would take minutes to open, is refused without trying: `weak_lock`, `costly_lock`.
 */
export async function unlockKeys(userId: string, locked: string, secret: string): Promise<PrivateKeyPair[]> {
  if (locked.length > MAX_LOCKED_LENGTH) throw malformed()
  checkHeader(readJweHeader(ALGORITHM, locked))
  const plaintext = await decryptJwe(ALGORITHM, locked, await secretBytes(secret))
  if (!plaintext) throw new EncryptionError('wrong_secret', 'The passphrase or recovery key is wrong.')
  const value = parseJsonObject(decodeText(plaintext))
  if (value?.v !== 1 || !Array.isArray(value.keys) || value.keys.length === 0) throw malformed()
  if (value.user_id !== userId) throw new EncryptionError('wrong_user', 'These are the keys of another user.')
  const keys = value.keys.map(parsePair)
  if (keys.some(({ version }, index) => index > 0 && version >= keys[index - 1]!.version)) throw malformed()
  return keys
}

function checkHeader(header: Record<string, unknown> | undefined): void {
  const { p2c, p2s } = header ?? {}
  if (!isInteger(p2c, 1) || typeof p2s !== 'string') throw malformed()
  const saltLength = decodeBase64url(p2s)?.length ?? 0
  if (saltLength > 64) throw malformed()
  if (p2c < MIN_PBES2_COUNT || saltLength < 16) {
    throw new EncryptionError(
      'weak_lock',
      `The keys are locked with less than ${MIN_PBES2_COUNT} iterations.`,
    )
  }
  if (p2c > MAX_PBES2_COUNT) {
    throw new EncryptionError(
      'costly_lock',
      `The keys are locked with more than ${MAX_PBES2_COUNT} iterations.`,
    )
  }
}

/** A recovery key in its one spelling; any other text in NFKC. */
async function secretBytes(secret: string): Promise<Uint8Array> {
  const text = await parseRecoveryKey(secret).catch(() => secret.normalize('NFKC'))
  return encodeText(text)
}

function parsePair(value: unknown): PrivateKeyPair {
  if (!isObject(value) || !hasExactly(value, ['version', 'encryption_key', 'signing_key'])) throw malformed()
  if (!isInteger(value.version, 1)) throw malformed()
  return {
    version: value.version,
    encryption_key: parsePrivateJwk(value.encryption_key),
    signing_key: parsePrivateJwk(value.signing_key),
  }
}

function malformed(): EncryptionError {
  return new EncryptionError('malformed_lock', 'These are not locked keys of this format.')
}
