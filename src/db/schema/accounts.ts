import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  index,
  integer,
  numeric,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { bytea, insertedAt, seq, time, updatedAt } from './columns.ts'

export const users = pgTable(
  'users',
  {
    id: uuid('id').primaryKey(),
    shortId: text('short_id').notNull().unique(),
    email: text('email').notNull(),
    username: text('username').notNull(),
    isUsernameSet: boolean('is_username_set').notNull().default(false),
    displayName: text('display_name').notNull(),
    passwordHash: text('password_hash'),
    emailConfirmedAt: time('email_confirmed_at'),
    insertedAt: insertedAt(),
    updatedAt: updatedAt(),
  },
  (t) => [
    uniqueIndex('users_email_unique').on(sql`lower(${t.email})`),
    uniqueIndex('users_username_unique').on(t.username),
    check('users_email_length', sql`char_length(${t.email}) <= 160`),
    check('users_username_length', sql`char_length(${t.username}) between 3 and 120`),
  ],
)

export const profiles = pgTable(
  'profiles',
  {
    userId: uuid('user_id')
      .primaryKey()
      .references(() => users.id, { onDelete: 'cascade' }),
    hidden: boolean('hidden').notNull().default(false),
    theme: text('theme', { enum: ['day', 'night', 'auto'] })
      .notNull()
      .default('day'),
    magnification: numeric('magnification', { precision: 2, scale: 1, mode: 'number' }).notNull().default(1),
    recents: text('recents').array().notNull().default(sql`'{}'`),
  },
  (t) => [
    check('profiles_theme', sql`${t.theme} in ('day', 'night', 'auto')`),
    check('profiles_magnification', sql`${t.magnification} between 0.7 and 1.4`),
    check('profiles_recents', sql`cardinality(${t.recents}) <= 100`),
  ],
)

/** One sign-in on one device: a family of refresh tokens. */
export const sessions = pgTable(
  'sessions',
  {
    id: uuid('id').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text('kind', { enum: ['password', 'whisper'] }).notNull(),
    userAgent: text('user_agent'),
    ip: text('ip'),
    createdAt: time('created_at').notNull().defaultNow(),
    lastUsedAt: time('last_used_at').notNull().defaultNow(),
    expiresAt: time('expires_at').notNull(),
    revokedAt: time('revoked_at'),
  },
  (t) => [
    index('sessions_user').on(t.userId),
    index('sessions_revoked').on(t.revokedAt),
    index('sessions_expires').on(t.expiresAt),
    check('sessions_kind', sql`${t.kind} in ('password', 'whisper')`),
  ],
)

/** The chain of refresh tokens of a session; `generation` counts up from 0, and the highest is the newest. */
export const refreshTokens = pgTable(
  'refresh_tokens',
  {
    hash: bytea('hash').primaryKey(),
    sessionId: uuid('session_id')
      .notNull()
      .references(() => sessions.id, { onDelete: 'cascade' }),
    generation: integer('generation').notNull(),
    issuedAt: time('issued_at').notNull().defaultNow(),
    expiresAt: time('expires_at').notNull(),
    firstUsedAt: time('first_used_at'),
  },
  (t) => [unique('refresh_tokens_generation').on(t.sessionId, t.generation)],
)

/** One-time tokens of letters; only their SHA-256 is kept. */
export const tokens = pgTable(
  'tokens',
  {
    hash: bytea('hash').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    context: text('context', {
      enum: ['email_confirmation', 'password_reset', 'email_change', 'email_verification'],
    }).notNull(),
    /** The address the letter went to: a token for an address that is no longer the user's is void. */
    sentTo: text('sent_to').notNull(),
    insertedAt: insertedAt(),
    expiresAt: time('expires_at').notNull(),
  },
  (t) => [index('tokens_user').on(t.userId, t.context), index('tokens_expires').on(t.expiresAt)],
)

/** Letters to be sent. No secret is kept here: the worker makes a letter's token when it sends it. */
export const mailOutbox = pgTable(
  'mail_outbox',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind').notNull(),
    userId: uuid('user_id').references(() => users.id, { onDelete: 'cascade' }),
    /** The address it goes to. */
    recipient: text('recipient').notNull(),
    insertedAt: insertedAt(),
    attempts: integer('attempts').notNull().default(0),
    nextAttemptAt: time('next_attempt_at').notNull().defaultNow(),
  },
  (t) => [index('mail_outbox_due').on(t.nextAttemptAt)],
)

/** The authenticator app of a user; before `confirmedAt` it is only being set up. The secret is sealed. */
export const totpDevices = pgTable(
  'totp_devices',
  {
    userId: uuid('user_id')
      .primaryKey()
      .references(() => users.id, { onDelete: 'cascade' }),
    vaultKey: text('vault_key').notNull(),
    secret: bytea('secret').notNull(),
    confirmedAt: time('confirmed_at'),
    /** The time step (RFC 6238) of the latest accepted code: no earlier one, nor itself, is accepted again. */
    lastStep: seq('last_step').notNull().default(0),
    /** Wrong codes since the last right one. */
    failures: integer('failures').notNull().default(0),
    insertedAt: insertedAt(),
  },
  (t) => [index('totp_devices_vault_key').on(t.vaultKey)],
)

/** One-time codes for who has lost the authenticator app; only hashes are kept. */
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

/** How often a code was tried for an address of late, whether or not there is such an account. */
export const codeAttempts = pgTable(
  'code_attempts',
  {
    /** SHA-256 of the address in lower case. */
    addressHash: bytea('address_hash').primaryKey(),
    windowStartedAt: time('window_started_at').notNull(),
    tries: integer('tries').notNull(),
  },
  (t) => [index('code_attempts_window').on(t.windowStartedAt)],
)

/** A user as another provider knows them (OpenID Connect: issuer and subject). */
export const identities = pgTable(
  'identities',
  {
    issuer: text('issuer').notNull(),
    subject: text('subject').notNull(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    insertedAt: insertedAt(),
  },
  (t) => [primaryKey({ columns: [t.issuer, t.subject] }), index('identities_user').on(t.userId)],
)

/** States with which sign-ins came back from another provider, as SHA-256: each is good once. */
export const spentStates = pgTable(
  'spent_states',
  {
    hash: bytea('hash').primaryKey(),
    /** From here on the state is too old to be good anyway. */
    expiresAt: time('expires_at').notNull(),
  },
  (t) => [index('spent_states_expires').on(t.expiresAt)],
)
