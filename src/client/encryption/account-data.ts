import type { CryptoKey } from 'jose'
import { decodeText, encodeText } from '../../account-keys/encoding.ts'
import { isInteger } from '../../account-keys/fields.ts'
import type { PublicJwk } from '../../account-keys/jwk.ts'
import { EncryptionError } from './errors.ts'
import { decryptByAny, encryptJwe, readJweHeader } from './jwe.ts'
import { readJws, signJws, verifyJws } from './jws.ts'
import { importEncryptionKey, importSigningKey } from './key-handles.ts'
import { findSigner, type KeyHistory } from './key-history.ts'

/** A blob of account data: pins of verified contacts, drafts, settings. */
export interface AccountData {
  userId: string
  name: string
  /** One more with every change. The server can withhold newer data, but a client that knows a higher number notices. */
  revision: number
  data: unknown
}

/** Signs account data and encrypts it to the account's own key: the server can neither read nor make it. */
export async function sealAccountData(
  { userId, name, revision, data }: AccountData,
  signer: { kid: string; privateKey: CryptoKey },
  encryptionKey: PublicJwk,
): Promise<string> {
  const text = JSON.stringify({ v: 1, user_id: userId, name, revision, data })
  const jws = await signJws('parley-data+jws', signer.kid, signer.privateKey, text)
  return encryptJwe('ECDH-ES+A256KW', await importEncryptionKey(encryptionKey), encodeText(jws))
}

/** Opens account data. Throws `undecryptable`, `bad_signature`, or `wrong_name` if it belongs to another name or user. */
export async function openAccountData(
  sealed: string,
  expected: { userId: string; name: string },
  keys: readonly CryptoKey[],
  history: KeyHistory,
): Promise<AccountData> {
  const text = await decrypt(sealed, keys)
  const jws = text === undefined ? undefined : readJws('parley-data+jws', text)
  if (!jws) throw new EncryptionError('undecryptable', 'The account data cannot be opened.')
  const signer = findSigner(history, jws.kid)
  const value = signer ? await verifyJws(jws, await importSigningKey(signer.signing_key)) : 'bad_signature'
  if (value === 'bad_signature' || value?.v !== 1 || !isInteger(value.revision, 1)) {
    throw new EncryptionError('bad_signature', 'The account data was not made by a client of this account.')
  }
  if (value.user_id !== expected.userId || value.name !== expected.name) {
    throw new EncryptionError('wrong_name', 'The account data belongs to another name.')
  }
  return { ...expected, revision: value.revision, data: value.data }
}

async function decrypt(sealed: string, keys: readonly CryptoKey[]): Promise<string | undefined> {
  if (!readJweHeader('ECDH-ES+A256KW', sealed)) return undefined
  const plaintext = await decryptByAny(sealed, keys)
  return plaintext && decodeText(plaintext)
}
