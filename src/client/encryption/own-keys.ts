import type { CryptoKey } from 'jose'
import type { ReadEntry } from '../../account-keys/history-entry.ts'
import { isSameKey, keyThumbprint } from '../../account-keys/jwk.ts'
import { EncryptionError } from './errors.ts'
import { importDecryptionKey, importSigner } from './key-handles.ts'
import type { PrivateKeyPair } from './locked-keys.ts'

/** The private keys of an account, ready for use. They cannot be exported from here. */
export interface OwnKeys {
  /** For opening copies, newest first. */
  decryption: CryptoKey[]
  /** For signing messages. */
  signer: { kid: string; privateKey: CryptoKey }
}

/** Checks that unlocked keys are those of the last entry. Throws `invalid_keys`: the server then holds back a newer locked string. */
export function checkKeys(keys: readonly PrivateKeyPair[], last: ReadEntry): void {
  const [newest] = keys
  if (
    !newest ||
    !isSameKey(newest.encryption_key, last.encryption_key) ||
    !isSameKey(newest.signing_key, last.signing_key)
  ) {
    throw new EncryptionError('invalid_keys', 'The locked keys are not those of the key history.')
  }
}

/** Imports private keys for use. */
export async function importOwnKeys(keys: readonly PrivateKeyPair[]): Promise<OwnKeys> {
  const newest = keys[0]!
  const decryption = await Promise.all(keys.map((pair) => importDecryptionKey(pair.encryption_key)))
  const kid = await keyThumbprint(newest.signing_key)
  return { decryption, signer: { kid, privateKey: await importSigner(newest.signing_key) } }
}
