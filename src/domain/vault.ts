import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import type { Database } from '../db/database.ts'
import {
  deleteVaultChecksExcept,
  insertVaultCheck,
  usedFingerprints,
  vaultChecks,
} from '../db/queries/keys.ts'
import { deriveKey } from '../keys.ts'

/** What a sealed text is for: it opens for nothing else. */
export type SealContext = readonly string[]

/** A sealed text, and the fingerprint of the key that opens it. */
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
 * Encrypts what is kept in the database (AES-256-GCM; version, IV, tag, ciphertext). The first secret encrypts, all
 * decrypt, so that secrets can be replaced.
 */
export class Vault {
  /** The fingerprint of the key that encrypts. */
  readonly fingerprint: string
  readonly #keys: Map<string, Buffer>

  /**
   * Opens the vault of a database: makes sure that everything stored can be opened, and puts the key that encrypts on
   * record.
   * @throws when something was sealed with a secret that is not among these.
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

  /** @throws when there is no such key, the text was changed, or it was sealed for another context. */
  open({ vaultKey, bytes }: Sealed, context: SealContext): string {
    const key = this.#keys.get(vaultKey)
    if (!key) throw new Error(`No secret in VAULT_KEY has the fingerprint ${vaultKey}.`)
    if (bytes[0] !== VERSION || bytes.length < HEADER_BYTES) throw new Error('This is not a sealed text.')
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(1, 1 + IV_BYTES))
      .setAAD(bytesOf(context))
      .setAuthTag(bytes.subarray(1 + IV_BYTES, HEADER_BYTES))
    return decipher.update(bytes.subarray(HEADER_BYTES), undefined, 'utf8') + decipher.final('utf8')
  }

  async #check(db: Database): Promise<void> {
    const used = await usedFingerprints(db)
    const checks = await vaultChecks(db.orm)
    const closed = used.filter((fingerprint) => !this.#keys.has(fingerprint))
    for (const [fingerprint, check] of checks) {
      if (this.#keys.has(fingerprint) && !this.#opensCheck(fingerprint, check)) closed.push(fingerprint)
    }
    if (closed.length) throw new Error(cannotOpen(closed))
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

/** JSON keeps the parts apart, whatever is in them. */
function bytesOf(context: SealContext): Buffer {
  return Buffer.from(JSON.stringify(context))
}

function cannotOpen(fingerprints: string[]): string {
  return [
    'VAULT_KEY cannot open what is stored in the database:',
    `it was sealed with another secret (fingerprint ${fingerprints.join(', ')}).`,
    'Put the earlier secret back, at the end of the list: VAULT_KEY=<the new secret>,<the earlier secret>.',
  ].join(' ')
}
