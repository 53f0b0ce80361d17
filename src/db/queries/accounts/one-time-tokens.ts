import { and, eq, gt, inArray, lte } from 'drizzle-orm'
import { canonicalEmail } from '../../../canonical-email.ts'
import type { Orm } from '../../database.ts'
import { tokens, users } from '../../schema.ts'
import { summary, type UserSummary } from './users.ts'

/** What a one-time token in an email is for. */
export type TokenContext =
  | 'email_confirmation'
  | 'password_reset'
  | 'email_change'
  | 'email_verification'
  | 'registration_denial'

export async function insertToken(
  orm: Orm,
  token: {
    hash: Uint8Array
    userId: string
    context: TokenContext
    sentTo: string
    now: Date
    expiresAt: Date
  },
): Promise<void> {
  const { now, ...columns } = token
  await orm.insert(tokens).values({ ...columns, insertedAt: now })
}

/** The user of a valid token. */
export async function findTokenOwner(
  orm: Orm,
  context: TokenContext,
  hash: Uint8Array,
  now: Date,
): Promise<UserSummary | undefined> {
  const rows = await orm
    .select({ ...summary, sentTo: tokens.sentTo })
    .from(tokens)
    .innerJoin(users, eq(users.id, tokens.userId))
    .where(and(eq(tokens.hash, hash), eq(tokens.context, context), gt(tokens.expiresAt, now)))
  if (!rows[0]) return undefined
  const { sentTo, ...owner } = rows[0]
  return canonicalEmail(sentTo) === canonicalEmail(owner.email) ? owner : undefined
}

/** Deletes the token; false when it was already deleted. */
export async function deleteToken(orm: Orm, hash: Uint8Array): Promise<boolean> {
  const rows = await orm.delete(tokens).where(eq(tokens.hash, hash)).returning({ hash: tokens.hash })
  return rows.length > 0
}

/** Deletes the user's tokens, of one context or of all. */
export async function deleteTokensOf(orm: Orm, userId: string, context?: TokenContext): Promise<void> {
  const ofContext = context ? eq(tokens.context, context) : undefined
  await orm.delete(tokens).where(and(eq(tokens.userId, userId), ofContext))
}

/** Deletes up to `limit` expired tokens; returns how many. */
export async function deleteExpiredTokens(orm: Orm, now: Date, limit: number): Promise<number> {
  const expired = orm
    .select({ hash: tokens.hash })
    .from(tokens)
    .where(lte(tokens.expiresAt, now))
    .limit(limit)
  const rows = await orm.delete(tokens).where(inArray(tokens.hash, expired)).returning({ hash: tokens.hash })
  return rows.length
}
