import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import type { Database } from '../../db/database.ts'
import {
  deleteVaultChecksExcept,
  insertVaultCheck,
  usedFingerprints,
  vaultChecks,
} from '../../db/queries/conversations/keys.ts'
import { deriveKey } from '../../keys.ts'

/** The purpose and owner of a ciphertext, as additional authenticated data: it cannot be decrypted in another context. */
export type SealContext = readonly string[]

/** A ciphertext, and the fingerprint of its key. */
export interface Sealed {
  vaultKey: string
  bytes: Uint8Array
}

const ALGORITHM = 'aes-256-gcm'
const VERSION = 1
const IV_BYTES = 12
const TAG_BYTES = 16
const HEADER_BYTES = 1 + IV_BYTES + TAG_BYTES

const CHECK_TEXT = 'This opens.'
const CHECK_CONTEXT: SealContext = ['vault check']

/**
 * Encrypts secrets in the database with AES-256-GCM, as version, IV, tag, ciphertext. The first key encrypts and all keys decrypt, so
 * that keys can be rotated.
 */
export class Vault {
  /** The fingerprint of the key that encrypts. */
  readonly fingerprint: string
  readonly #keys: Map<string, Buffer>

  /**
   * Opens the vault of a database: checks that the keys can decrypt everything stored, and stores a check value of the encrypting key.
   * @throws when a key that was used is not among these secrets.
   */
  static async open(db: Database, secrets: readonly string[]): Promise<Vault> {
    const vault = new Vault(secrets)
    await vault.#check(db)
    return vault
  }

  constructor(secrets: readonly string[]) {
    const keys = secrets.map((secret) => deriveKey(secret, 'vault'))
    this.#keys = new Map(keys.map((key) => [fingerprintOf(key), key]))
    this.fingerprint = fingerprintOf(keys[0] as Buffer)
  }

  seal(text: string, context: SealContext): Sealed {
    const key = this.#keys.get(this.fingerprint) as Buffer
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv(ALGORITHM, key, iv).setAAD(bytesOf(context))
    const ciphertext = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    const bytes = Buffer.concat([Buffer.of(VERSION), iv, cipher.getAuthTag(), ciphertext])
    return { vaultKey: this.fingerprint, bytes }
  }

  /** @throws when the key is missing, the ciphertext was changed, or it is for another context. */
  open({ vaultKey, bytes }: Sealed, context: SealContext): string {
    const key = this.#keys.get(vaultKey)
    if (!key) throw new Error(`No secret in VAULT_KEY has the fingerprint ${vaultKey}.`)
    if (bytes[0] !== VERSION || bytes.length < HEADER_BYTES)
      throw new Error('This is not a ciphertext of the vault.')
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(1, 1 + IV_BYTES))
      .setAAD(bytesOf(context))
      .setAuthTag(bytes.subarray(1 + IV_BYTES, HEADER_BYTES))
    return decipher.update(bytes.subarray(HEADER_BYTES), undefined, 'utf8') + decipher.final('utf8')
  }

  async #check(db: Database): Promise<void> {
    const used = await usedFingerprints(db)
    const checks = await vaultChecks(db.orm)
    const missing = used.filter((fingerprint) => !this.#keys.has(fingerprint))
    for (const [fingerprint, check] of checks) {
      if (this.#keys.has(fingerprint) && !this.#opensCheck(fingerprint, check)) missing.push(fingerprint)
    }
    if (missing.length) throw new Error(missingKeys(missing))
    await deleteVaultChecksExcept(db.orm, [...this.#keys.keys()])
    const { vaultKey, bytes } = this.seal(CHECK_TEXT, CHECK_CONTEXT)
    await insertVaultCheck(db.orm, vaultKey, bytes)
  }

  #opensCheck(vaultKey: string, bytes: Uint8Array): boolean {
    try {
      return this.open({ vaultKey, bytes }, CHECK_CONTEXT) === CHECK_TEXT
    } catch {
      return false
    }
  }
}

function fingerprintOf(key: Buffer): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16)
}

/** JSON separates the parts unambiguously. */
function bytesOf(context: SealContext): Buffer {
  return Buffer.from(JSON.stringify(context))
}

function missingKeys(fingerprints: string[]): string {
  return [
    'VAULT_KEY cannot decrypt the data in the database:',
    `it was encrypted with another secret (fingerprint ${fingerprints.join(', ')}).`,
    'Add the previous secret at the end of the list: VAULT_KEY=<new secret>,<previous secret>.',
  ].join(' ')
}
