import { index, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { users } from './accounts.ts'
import { bytea, insertedAt, seq, time } from './columns.ts'

/** The authenticator app of a user; `confirmedAt` is null until its first code. The secret is encrypted. */
export const totpDevices = pgTable(
  'totp_devices',
  {
    userId: uuid('user_id')
      .primaryKey()
      .references(() => users.id, { onDelete: 'cascade' }),
    vaultKey: text('vault_key').notNull(),
    secret: bytea('secret').notNull(),
    confirmedAt: time('confirmed_at'),
    /** SHA-256 of the enrolling client and the secret: no other client may see the secret. */
    enrolmentHash: bytea('enrolment_hash'),
    /** The time step (RFC 6238) of the latest accepted code; only later ones are accepted. */
    lastStep: seq('last_step').notNull().default(0),
    /** Wrong codes since the last right one. */
    failures: integer('failures').notNull().default(0),
    insertedAt: insertedAt(),
  },
  (t) => [index('totp_devices_vault_key').on(t.vaultKey)],
)

/** One-time codes for a lost authenticator app; only hashes are stored. */
export const recoveryCodes = pgTable(
  'recovery_codes',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    hash: bytea('hash').notNull(),
    usedAt: time('used_at'),
  },
  (t) => [primaryKey({ columns: [t.userId, t.hash] })],
)

/** Recent attempts to use a code, by email address, whether or not the account exists, or by client. */
export const codeAttempts = pgTable(
  'code_attempts',
  {
    /** SHA-256 of the key of the counter. */
    addressHash: bytea('address_hash').primaryKey(),
    windowStartedAt: time('window_started_at').notNull(),
    tries: integer('tries').notNull(),
    /** Null in rows of the previous version, whose windows last one minute. */
    expiresAt: time('expires_at'),
  },
  (t) => [index('code_attempts_window').on(t.windowStartedAt)],
)
