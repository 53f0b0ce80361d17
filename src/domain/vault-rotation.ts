import type { Database } from '../db/database.ts'
import { keysSealedWith, updateKeys, usedFingerprints } from '../db/queries/keys.ts'
import { resealSecret, secretsSealedWith } from '../db/queries/totp.ts'
import { openKey, sealKeys } from './conversation-keys.ts'
import { resealed } from './totp.ts'
import type { Vault } from './vault.ts'

const BATCH = 500

/**
 * Seals again, with the vault's first key, what was sealed with another. It may be interrupted and run again, and the
 * server may be running.
 * @returns how many key pairs and secrets of authenticator apps were sealed again.
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
  const batch = await keysSealedWith(orm, outdated, BATCH)
  for (const sealed of batch) {
    const { vaultKey } = sealed
    const publicKey = openKey(vault, { vaultKey, bytes: sealed.publicKey }, sealed, 'public')
    const privateKey = openKey(vault, { vaultKey, bytes: sealed.privateKey }, sealed, 'private')
    await updateKeys(orm, sealKeys(vault, sealed, { publicKey, privateKey }))
  }
  return batch.length
}

async function rotateSecrets({ orm }: Database, vault: Vault, outdated: string[]): Promise<number> {
  const batch = await secretsSealedWith(orm, outdated, BATCH)
  for (const sealed of batch) await resealSecret(orm, sealed, resealed(vault, sealed))
  return batch.length
}
