import { sql } from 'drizzle-orm'
import { check, integer, json, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { users } from './accounts.ts'
import { seq, updatedAt } from './columns.ts'

/** A public key of P-256 (RFC 7518, section 6.2.1). */
export interface StoredPublicKey {
  crv: 'P-256'
  kty: 'EC'
  x: string
  y: string
}

/** An entry of a key history, as its owner sent it. */
export interface StoredEntry {
  payload: string
  signatures: { protected: string; signature: string }[]
}

/** The current key set of an account. */
export const accountKeys = pgTable(
  'account_keys',
  {
    userId: uuid('user_id')
      .primaryKey()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** Counts up from 1 with every change. */
    version: integer('version').notNull(),
    encryptionKey: json('encryption_key').$type<StoredPublicKey>().notNull(),
    signingKey: json('signing_key').$type<StoredPublicKey>().notNull(),
    thumbprint: text('thumbprint').notNull(),
    /** The private keys, encrypted by the client under a secret that the server does not know. */
    locked: text('locked').notNull(),
    updatedAt: updatedAt(),
  },
  (t) => [check('account_keys_locked', sql`octet_length(${t.locked}) <= 16384`)],
)

/** Every version of a key set, as a signed entry. Rows are only inserted. */
export const accountKeyHistory = pgTable(
  'account_key_history',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    version: integer('version').notNull(),
    entry: json('entry').$type<StoredEntry>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.userId, t.version] })],
)

/** Data that clients store for their user, by name. The clients encrypt it. */
export const accountData = pgTable(
  'account_data',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    version: seq('version').notNull(),
    data: text('data').notNull(),
    updatedAt: updatedAt(),
  },
  (t) => [
    primaryKey({ columns: [t.userId, t.name] }),
    check('account_data_size', sql`octet_length(${t.data}) <= 65536`),
  ],
)

/**
 * The latest version of any account data of a user. No version is used twice, also after a deletion, so that a precondition never holds
 * for other data than its client has seen. Its row is locked while data is added, which the limit of names depends on.
 */
export const accountDataVersions = pgTable('account_data_versions', {
  userId: uuid('user_id')
    .primaryKey()
    .references(() => users.id, { onDelete: 'cascade' }),
  lastVersion: seq('last_version').notNull(),
})
