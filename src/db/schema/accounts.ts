import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  index,
  integer,
  json,
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
    /** The address as entered; emails are sent to it. */
    email: text('email').notNull(),
    /** The spelling by which addresses are compared; null when another account has it. */
    canonicalEmail: text('canonical_email'),
    username: text('username').notNull(),
    isUsernameSet: boolean('is_username_set').notNull().default(false),
    displayName: text('display_name').notNull(),
    passwordHash: text('password_hash'),
    emailConfirmedAt: time('email_confirmed_at'),
    /** Device cookies issued before this time are void. */
    devicesValidFrom: time('devices_valid_from'),
    insertedAt: insertedAt(),
    updatedAt: updatedAt(),
  },
  (t) => [
    uniqueIndex('users_email_unique').on(t.canonicalEmail),
    // Used by the previous version.
    index('users_email_lower').on(sql`lower(${t.email})`),
    index('users_email_unsettled')
      .on(t.id)
      .where(
        sql.raw(String.raw`("canonical_email" is null or "canonical_email" ~ '@[^@]*[^\u0001-\u007f]')`),
      ),
    uniqueIndex('users_username_unique').on(t.username),
    // No pending list, which every search would have to scan.
    index('users_search')
      .using(
        'gin',
        sql`lower(${t.email}) gin_trgm_ops`,
        sql`lower(${t.displayName}) gin_trgm_ops`,
        sql`lower(case when ${t.displayName} like '%_@_%' then '' else ${t.displayName} end) gin_trgm_ops`,
        sql`lower(${t.username}) gin_trgm_ops`,
      )
      .with({ fastupdate: false }),
    index('users_email_prefix').on(sql`lower(${t.email}) text_pattern_ops`),
    index('users_display_name_prefix').on(sql`lower(${t.displayName}) text_pattern_ops`),
    index('users_shown_name_prefix').on(
      sql`lower(case when ${t.displayName} like '%_@_%' then '' else ${t.displayName} end) text_pattern_ops`,
    ),
    index('users_username_prefix').on(sql`lower(${t.username}) text_pattern_ops`),
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
    /** Who may add the user to conversations and rooms. */
    whoCanAdd: text('who_can_add', { enum: ['everyone', 'contacts', 'nobody'] })
      .notNull()
      .default('everyone'),
  },
  (t) => [
    check('profiles_who_can_add', sql`${t.whoCanAdd} in ('everyone', 'contacts', 'nobody')`),
    check('profiles_theme', sql`${t.theme} in ('day', 'night', 'auto')`),
    check('profiles_magnification', sql`${t.magnification} between 0.7 and 1.4`),
    check('profiles_recents', sql`cardinality(${t.recents}) <= 100`),
  ],
)

/** A sign-in on a device, with a chain of refresh tokens. */
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

/** The refresh tokens of a session; `generation` counts up from 0. */
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

/** One-time tokens in emails; only their SHA-256 is stored. */
export const tokens = pgTable(
  'tokens',
  {
    hash: bytea('hash').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    context: text('context', {
      enum: [
        'email_confirmation',
        'password_reset',
        'email_change',
        'email_verification',
        'registration_denial',
      ],
    }).notNull(),
    /** The recipient of the email: the token is void when the user has another address. */
    sentTo: text('sent_to').notNull(),
    insertedAt: insertedAt(),
    expiresAt: time('expires_at').notNull(),
  },
  (t) => [index('tokens_user').on(t.userId, t.context), index('tokens_expires').on(t.expiresAt)],
)

/** Emails to send. Has no secrets: the worker issues the token when it sends the email. */
export const mailOutbox = pgTable(
  'mail_outbox',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind').notNull(),
    userId: uuid('user_id').references(() => users.id, { onDelete: 'cascade' }),
    recipient: text('recipient').notNull(),
    /** The request that caused the email. */
    details: json('details').$type<{ at: string; ip?: string; browser?: string }>(),
    insertedAt: insertedAt(),
    attempts: integer('attempts').notNull().default(0),
    nextAttemptAt: time('next_attempt_at').notNull().defaultNow(),
  },
  (t) => [index('mail_outbox_due').on(t.nextAttemptAt)],
)

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

/** A user's identity at a provider (OpenID Connect: issuer and subject). */
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

/** SHA-256 of used single-use values: states of sign-ins at a provider, and secrets of browsers that enrolled a device. */
export const spentStates = pgTable(
  'spent_states',
  {
    hash: bytea('hash').primaryKey(),
    /** When the value expires; the row is not needed afterwards. */
    expiresAt: time('expires_at').notNull(),
  },
  (t) => [index('spent_states_expires').on(t.expiresAt)],
)

/** Security events of an account, for its owner. */
export const auditEvents = pgTable(
  'audit_events',
  {
    /** UUIDv7: ids sort by time. */
    id: uuid('id').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    kind: text('kind').notNull(),
    sessionId: uuid('session_id'),
    ip: text('ip'),
    userAgent: text('user_agent'),
    /** How many events the row represents. */
    count: integer('count').notNull().default(1),
    insertedAt: insertedAt(),
  },
  (t) => [index('audit_events_user').on(t.userId, t.id), index('audit_events_inserted').on(t.insertedAt)],
)
