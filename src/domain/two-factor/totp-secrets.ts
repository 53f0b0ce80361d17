import type { TotpDevice } from '../../db/queries/two-factor/totp.ts'
import type { Sealed, Vault } from '../vault/vault.ts'
import { newTotpSecret } from './totp-codes.ts'

type SealedSecret = Pick<TotpDevice, 'userId' | 'vaultKey' | 'secret'>

/** Stands for the user of an unknown address, so that a sign-in takes the same time whether or not the account exists. */
export const DECOY_USER = '00000000-0000-0000-0000-000000000000'

/** Encrypts and decrypts the secrets of authenticator apps. */
export class TotpSecrets {
  readonly #vault: Vault
  readonly #decoy: Sealed

  constructor(vault: Vault) {
    this.#vault = vault
    this.#decoy = vault.seal(newTotpSecret(), contextOf(DECOY_USER))
  }

  seal(userId: string, text: string): SealedSecret {
    const { vaultKey, bytes: secret } = this.#vault.seal(text, contextOf(userId))
    return { userId, vaultKey, secret }
  }

  /** The secret of a device. Without a device it decrypts a decoy, which takes the same time. */
  open(device: SealedSecret | undefined): string {
    if (!device) return this.#vault.open(this.#decoy, contextOf(DECOY_USER))
    const { userId, vaultKey, secret } = device
    return this.#vault.open({ vaultKey, bytes: secret }, contextOf(userId))
  }
}

function contextOf(userId: string): readonly string[] {
  return ['totp secret', userId]
}
