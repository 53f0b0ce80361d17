import { and, eq, inArray, notInArray } from 'drizzle-orm'
import type { Database, Orm } from '../../database.ts'
import { encryptionKeys, vaultKeys } from '../../schema.ts'
import { textArray, uuidArray } from '../array-literal.ts'

/** A member's encrypted key pair, and the fingerprint of the vault key that decrypts it. */
export interface SealedKeys {
  conversationId: string
  userId: string
  vaultKey: string
  publicKey: Uint8Array
  privateKey: Uint8Array
}

/** A key pair to be stored: both keys encrypted, and the public key also in plain text. */
export interface StoredKeys extends SealedKeys {
  publicJwk: Record<string, unknown>
}

/** Stores a key pair; false when its owner already has one in this conversation. */
export async function insertKeys(orm: Orm, keys: StoredKeys): Promise<boolean> {
  const rows = await orm
    .insert(encryptionKeys)
    .values(keys)
    .onConflictDoNothing()
    .returning({ userId: encryptionKeys.userId })
  return rows.length > 0
}

/** Up to `limit` key pairs that are encrypted with one of these vault keys. */
export function keysSealedWith(orm: Orm, fingerprints: string[], limit: number): Promise<SealedKeys[]> {
  return orm
    .select({
      conversationId: encryptionKeys.conversationId,
      userId: encryptionKeys.userId,
      vaultKey: encryptionKeys.vaultKey,
      publicKey: encryptionKeys.publicKey,
      privateKey: encryptionKeys.privateKey,
    })
    .from(encryptionKeys)
    .where(inArray(encryptionKeys.vaultKey, fingerprints))
    .limit(limit)
}

/** Replaces both forms of a key pair. */
export async function updateKeys(orm: Orm, { conversationId, userId, ...forms }: StoredKeys): Promise<void> {
  await orm
    .update(encryptionKeys)
    .set(forms)
    .where(and(eq(encryptionKeys.conversationId, conversationId), eq(encryptionKeys.userId, userId)))
}

/** Stores public keys in plain text, by user id. An older version stored them only encrypted. */
export async function fillPublicKeys(
  db: Database,
  conversationId: string,
  keys: ReadonlyMap<string, unknown>,
): Promise<void> {
  await db.rows(
    `update encryption_keys k set public_jwk = filled.jwk::json
    from unnest($2::uuid[], $3::text[]) filled (user_id, jwk)
    where k.conversation_id = $1 and k.user_id = filled.user_id and k.public_jwk is null`,
    [conversationId, uuidArray(keys.keys()), textArray([...keys.values()].map((key) => JSON.stringify(key)))],
  )
}

/** The tables with encrypted columns. Each has an index on `vault_key`. */
const SEALED_TABLES = ['encryption_keys', 'totp_devices']

/** The fingerprints of the vault keys that stored data is encrypted with. */
export async function usedFingerprints(db: Database): Promise<string[]> {
  const found: string[] = []
  for (const table of SEALED_TABLES) found.push(...(await fingerprintsIn(db, table)))
  return [...new Set(found)]
}

/** Reads the distinct values by a skip scan of the index. */
async function fingerprintsIn(db: Database, table: string): Promise<string[]> {
  const rows = await db.rows<{ vaultKey: string }>(
    `with recursive used as (
      select min(vault_key) as vault_key from ${table}
      union all
      select (select min(k.vault_key) from ${table} k where k.vault_key > used.vault_key)
      from used where used.vault_key is not null
    )
    select vault_key as "vaultKey" from used where vault_key is not null`,
    [],
  )
  return rows.map(({ vaultKey }) => vaultKey)
}

/** The stored check value of each vault key, by fingerprint. */
export async function vaultChecks(orm: Orm): Promise<Map<string, Uint8Array>> {
  const rows = await orm.select().from(vaultKeys)
  return new Map(rows.map(({ fingerprint, check }) => [fingerprint, check]))
}

export async function insertVaultCheck(orm: Orm, fingerprint: string, check: Uint8Array): Promise<void> {
  await orm.insert(vaultKeys).values({ fingerprint, check }).onConflictDoNothing()
}

/** Deletes the check values of all other vault keys. */
export async function deleteVaultChecksExcept(orm: Orm, fingerprints: string[]): Promise<void> {
  await orm.delete(vaultKeys).where(notInArray(vaultKeys.fingerprint, fingerprints))
}
