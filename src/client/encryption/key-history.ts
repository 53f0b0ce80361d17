import { type ReadEntry, readEntry, verifyEntry } from '../../account-keys/history-entry.ts'
import { isSameKey, type PublicKeys } from '../../account-keys/jwk.ts'
import { EncryptionError } from './errors.ts'

/** The entries of a key history that were verified, oldest first, from version 1. A client stores it and never accepts another beginning. */
export type KeyHistory = readonly ReadEntry[]

/**
 * Adds entries to a verified history. They may repeat known ones, which then must be the same. Throws a {@link KeyError} for an
 * entry that does not follow, and `history_forked` for one that contradicts a known entry.
 */
export async function extendHistory(
  userId: string,
  known: KeyHistory,
  entries: readonly unknown[],
): Promise<KeyHistory> {
  const history = [...known]
  for (const value of entries) {
    if (!(await isKnown(value, history)))
      history.push(await verifyEntry(value, userId, history.at(-1) ?? null))
  }
  return history
}

/**
 * Checks that the keys which the server names for a user are those of the last entry. Throws `history_incomplete` if the history
 * has to be fetched first, and `history_forked` if the keys contradict it.
 */
export function checkCurrentKeys(history: KeyHistory, named: PublicKeys & { version: number }): ReadEntry {
  const last = history.at(-1)
  if (!last || named.version > last.version) {
    throw new EncryptionError(
      'history_incomplete',
      `The key history up to version ${named.version} is missing.`,
    )
  }
  const entry = history[named.version - 1]
  if (!entry || !isSameKeySet(entry, named)) {
    throw new EncryptionError(
      'history_forked',
      'The server names keys that are not those of the key history.',
    )
  }
  return last
}

/** The entry whose signing key has this thumbprint: the newest, where several keep it. */
export function findSigner(history: KeyHistory, kid: string): ReadEntry | undefined {
  return history.findLast((entry) => entry.kid === kid)
}

/** The head of a history: the hash of its last entry; null if the user has no keys. */
export function headOf(history: KeyHistory): string | null {
  return history.at(-1)?.hash ?? null
}

async function isKnown(value: unknown, history: KeyHistory): Promise<boolean> {
  const read = await readEntry(value)
  const known = history[read.version - 1]
  if (known && known.hash !== read.hash) {
    const message = `Version ${read.version} of the key history is not the one that was known.`
    throw new EncryptionError('history_forked', message)
  }
  return known !== undefined
}

function isSameKeySet(a: PublicKeys, b: PublicKeys): boolean {
  return isSameKey(a.encryption_key, b.encryption_key) && isSameKey(a.signing_key, b.signing_key)
}
