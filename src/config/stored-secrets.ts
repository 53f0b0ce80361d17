import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError } from './environment.ts'

/** The minimum length of a secret, in characters. */
export const MIN_SECRET_LENGTH = 32

interface Secrets {
  secretKeyBase: string
  vaultSecrets: string[]
}

/**
 * Completes secrets that are not set with ones that are generated once and stored in `dataDir`. In production both secrets are
 * required, so none is generated.
 * @throws ConfigError when the folder is not writable, or a stored secret is damaged.
 */
export function withStoredSecrets({
  dataDir,
  secretKeyBase,
  vaultSecrets,
}: Secrets & { dataDir: string }): Secrets {
  return {
    secretKeyBase: secretKeyBase || storedSecret(dataDir, 'secret-key-base'),
    vaultSecrets: vaultSecrets.length ? vaultSecrets : [storedSecret(dataDir, 'vault-key')],
  }
}

function storedSecret(dataDir: string, name: string): string {
  const file = join(dataDir, name)
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    // With `wx`, only one of two processes that start at the same time creates the secret.
    writeFileSync(file, randomBytes(48).toString('base64url'), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new ConfigError([`DATA_DIR ${dataDir} is not writable: ${(error as Error).message}`])
    }
  }
  const secret = readFileSync(file, 'utf8').trim()
  if (secret.length < MIN_SECRET_LENGTH) {
    throw new ConfigError([
      `${file} is damaged: restore it from a backup, or delete it if nothing was encrypted with it`,
    ])
  }
  return secret
}
