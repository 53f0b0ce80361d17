import type { Database } from '../../db/database.ts'
import { keysSealedWith, updateKeys, usedFingerprints } from '../../db/queries/conversations/keys.ts'
import { resealSecret, secretsSealedWith } from '../../db/queries/two-factor/totp.ts'
import { openKey, sealKeys } from '../conversations/conversation-keys.ts'
import { TotpSecrets } from '../two-factor/totp-secrets.ts'
import type { Vault } from './vault.ts'

const BATCH_SIZE = 500

/**
 * Encrypts everything in the database with the vault's first key. Can be interrupted and run again, also while servers are running.
 * @returns how many key pairs and secrets of authenticator apps were encrypted again.
 */
export async function rotateVault(db: Database, vault: Vault): Promise<number> {
  let rotated = 0
  for (;;) {
    const used = await usedFingerprints(db)
    const outdated = used.filter((fingerprint) => fingerprint !== vault.fingerprint)
    if (outdated.length === 0) return rotated
    rotated += await rotateKeys(db, vault, outdated)
    rotated += await rotateSecrets(db, vault, outdated)
  }
}

async function rotateKeys({ orm }: Database, vault: Vault, outdated: string[]): Promise<number> {
  const batch = await keysSealedWith(orm, outdated, BATCH_SIZE)
  for (const sealed of batch) {
    const { vaultKey } = sealed
    const publicKey = openKey(vault, { vaultKey, bytes: sealed.publicKey }, sealed, 'public')
    const privateKey = openKey(vault, { vaultKey, bytes: sealed.privateKey }, sealed, 'private')
    await updateKeys(orm, sealKeys(vault, sealed, { publicKey, privateKey }))
  }
  return batch.length
}

async function rotateSecrets({ orm }: Database, vault: Vault, outdated: string[]): Promise<number> {
  const batch = await secretsSealedWith(orm, outdated, BATCH_SIZE)
  const secrets = new TotpSecrets(vault)
  for (const sealed of batch) {
    await resealSecret(orm, sealed, secrets.seal(sealed.userId, secrets.open(sealed)))
  }
  return batch.length
}
