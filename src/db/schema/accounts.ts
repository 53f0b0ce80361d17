import { sql } from 'drizzle-orm'
import {
  boolean,
  check,
  index,
  numeric,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'
import { bytea, insertedAt, time, updatedAt } from './columns.ts'

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
