/* Prints fresh secrets; with `rotate`, seals everything again with the first secret of VAULT_KEY. */
import { randomBytes } from 'node:crypto'
import { readConfig } from '../config/config.ts'
import { openDatabase } from '../db/open-database.ts'
import { Vault } from '../domain/vault/vault.ts'
import { rotateVault } from '../domain/vault/vault-rotation.ts'

function print(): void {
  for (const name of ['SECRET_KEY_BASE', 'VAULT_KEY']) {
    console.log(`${name}=${randomBytes(48).toString('base64url')}`)
  }
}

async function rotate(): Promise<void> {
  const { database, vaultSecrets } = readConfig()
  const db = await openDatabase(database)
  try {
    const rotated = await rotateVault(db, await Vault.open(db, vaultSecrets))
    console.log(
      `Sealed again with the first secret of VAULT_KEY: ${rotated} key pairs and secrets. The others can go.`,
    )
  } finally {
    await db.close()
  }
}

// What this process writes is nobody else's.
process.umask(0o077)
try {
  if (process.argv[2] === 'rotate') await rotate()
  else print()
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
