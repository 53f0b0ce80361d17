import type { HistoryEntry, ReadEntry } from '../../account-keys/history-entry.ts'
import { type PublicJwk, publicHalf } from '../../account-keys/jwk.ts'
import { type EntrySigner, signEntry } from '../../account-keys/sign-entry.ts'
import { generateJwk, importSigner } from './key-handles.ts'
import { lockKeys, type PrivateKeyPair } from './locked-keys.ts'
import { checkKeys } from './own-keys.ts'

/** The body of `PUT /api/keys`. */
export interface KeyUpload {
  encryption_key: PublicJwk
  signing_key: PublicJwk
  locked: string
  entry: HistoryEntry
}

/** A change of an account's keys: what to send to the server, and the private keys from then on. */
export interface KeyChange {
  upload: KeyUpload
  keys: PrivateKeyPair[]
}

/** Whose keys are changed, under which secret they are locked, and when. */
export interface KeyChangeInput {
  userId: string
  secret: string
  now: Date
}

/** Makes the first keys of an account. */
export async function createKeys(input: KeyChangeInput): Promise<KeyChange> {
  const pair = await generatePair(1)
  return change(input, [pair], null)
}

/** Replaces both keys. The old ones sign the change, and stay among the private keys for reading old messages. */
export async function rotateKeys(
  input: KeyChangeInput,
  keys: readonly PrivateKeyPair[],
  last: ReadEntry,
): Promise<KeyChange> {
  checkKeys(keys, last)
  return change(input, [await generatePair(last.version + 1), ...keys], last, keys[0])
}

/** Locks the same keys under another secret. */
export async function relockKeys(
  input: KeyChangeInput,
  keys: readonly PrivateKeyPair[],
  last: ReadEntry,
): Promise<KeyChange> {
  checkKeys(keys, last)
  return change(input, [...keys], last, keys[0])
}

/** Replaces lost keys. Nothing that was encrypted to them can be read any more, and contacts see that the history was reset. */
export async function resetKeys(input: KeyChangeInput, last: ReadEntry): Promise<KeyChange> {
  return change(input, [await generatePair(last.version + 1)], last)
}

async function change(
  { userId, secret, now }: KeyChangeInput,
  keys: PrivateKeyPair[],
  previous: ReadEntry | null,
  previousPair?: PrivateKeyPair,
): Promise<KeyChange> {
  const newest = keys[0]!
  const encryptionKey = publicHalf(newest.encryption_key)
  const signer = await entrySigner(newest)
  const entry = await signEntry({
    ...{ userId, encryptionKey, signer, previous },
    ...(previousPair && { previousSigner: await entrySigner(previousPair) }),
    issuedAt: now,
  })
  const locked = await lockKeys(userId, keys, secret)
  return { upload: { encryption_key: encryptionKey, signing_key: signer.publicKey, locked, entry }, keys }
}

async function entrySigner({ signing_key }: PrivateKeyPair): Promise<EntrySigner> {
  return { publicKey: publicHalf(signing_key), privateKey: await importSigner(signing_key) }
}

async function generatePair(version: number): Promise<PrivateKeyPair> {
  const [encryption, signing] = await Promise.all([generateJwk(), generateJwk()])
  return { version, encryption_key: encryption.private, signing_key: signing.private }
}
