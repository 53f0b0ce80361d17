import {
  isSameKey,
  KeyError,
  type KeyErrorCode,
  type PublicJwk,
  parsePublicJwk,
  type ReadEntry,
  readEntry,
  verifyEntry,
} from '../../account-keys/index.ts'
import type { StoredEntry } from '../../db/schema/account-keys.ts'
import { AppError, invalidField } from '../../errors.ts'
import { requireLocked } from './locked-keys.ts'

/** A key set as its owner sends it. */
export interface NewKeySet {
  encryptionKey: unknown
  signingKey: unknown
  locked: string
  entry: StoredEntry
}

/** A new key set in which everything was checked except its place in the history. */
export interface CheckedKeySet {
  encryptionKey: PublicJwk
  signingKey: PublicJwk
  locked: string
  entry: StoredEntry
}

/** The field errors of an entry. */
const PROBLEMS: Record<KeyErrorCode, string> = {
  invalid_key: 'has a key that is not a public key of P-256, or the same key twice',
  invalid_entry: 'is not an entry of a key history',
  entry_too_large: 'is too large',
  wrong_user: 'is of another user',
  wrong_version: 'does not have the next version',
  wrong_previous: 'does not name the entry before it',
  wrong_signer: 'is not signed by the keys that must sign it',
  bad_signature: 'has a signature that is not valid',
}

/** Checks the public keys of a key set, and that the private ones are locked. @throws AppError `validation_failed`. */
export function checkKeySet({ encryptionKey, signingKey, locked, entry }: NewKeySet): CheckedKeySet {
  const keys = {
    encryptionKey: readPublicKey(encryptionKey, 'encryptionKey'),
    signingKey: readPublicKey(signingKey, 'signingKey'),
  }
  requireLocked(locked)
  return { ...keys, locked, entry }
}

/**
 * Verifies the entry of a key set as a client would: that it follows the latest one, if any, is properly signed, and has these keys.
 * @throws AppError `validation_failed`.
 */
export async function verifyKeySet(
  set: CheckedKeySet,
  userId: string,
  latest: StoredEntry | undefined,
): Promise<ReadEntry> {
  const previous = latest ? await readEntry(latest) : null
  const read = await asFieldErrors('entry', () => verifyEntry(set.entry, userId, previous))
  if (!isSameKey(read.encryption_key, set.encryptionKey) || !isSameKey(read.signing_key, set.signingKey)) {
    throw invalidField('entry', 'has other keys than the key set')
  }
  return read
}

function readPublicKey(key: unknown, field: string): PublicJwk {
  try {
    return parsePublicJwk(key)
  } catch (error) {
    if (error instanceof KeyError) {
      throw invalidField(field, 'must be a public key of P-256: a JWK of exactly crv, kty, x and y')
    }
    throw error
  }
}

async function asFieldErrors<T>(field: string, check: () => Promise<T>): Promise<T> {
  try {
    return await check()
  } catch (cause) {
    if (!(cause instanceof KeyError)) throw cause
    throw new AppError('validation_failed', { fields: { [field]: [PROBLEMS[cause.code]] }, cause })
  }
}
