import { and, eq, inArray, lte, sql } from 'drizzle-orm'
import type { Orm } from '../database.ts'
import { identities, spentStates, users } from '../schema.ts'

/** Who somebody is to another provider (OpenID Connect Core 1.0, section 2: `iss` and `sub`). */
export interface IdentityKey {
  issuer: string
  subject: string
}

/** The user an identity belongs to. */
export async function findIdentityOwner(
  orm: Orm,
  { issuer, subject }: IdentityKey,
): Promise<string | undefined> {
  const rows = await orm
    .select({ userId: identities.userId })
    .from(identities)
    .where(and(eq(identities.issuer, issuer), eq(identities.subject, subject)))
  return rows[0]?.userId
}

/** Every identity of a user, at whatever provider. */
export async function listIdentities(orm: Orm, userId: string): Promise<IdentityKey[]> {
  return orm
    .select({ issuer: identities.issuer, subject: identities.subject })
    .from(identities)
    .where(eq(identities.userId, userId))
}

export async function insertIdentity(
  orm: Orm,
  { issuer, subject, userId, now }: IdentityKey & { userId: string; now: Date },
): Promise<void> {
  await orm.insert(identities).values({ issuer, subject, userId, insertedAt: now })
}

/** Finds the user of an address, in any letter case, whom nobody else changes before the transaction is over. */
export async function lockUserByEmail(tx: Orm, email: string): Promise<string | undefined> {
  const rows = await tx
    .select({ id: users.id })
    .from(users)
    .where(sql`lower(${users.email}) = lower(${email})`)
    .for('no key update')
  return rows[0]?.id
}

/** Notes that a state has come back; false when it had before. */
export async function spendState(orm: Orm, hash: Uint8Array, expiresAt: Date): Promise<boolean> {
  const rows = await orm
    .insert(spentStates)
    .values({ hash, expiresAt })
    .onConflictDoNothing()
    .returning({ hash: spentStates.hash })
  return rows.length > 0
}

/** Removes up to `limit` states that are too old to be good; returns how many. */
export async function deleteExpiredStates(orm: Orm, now: Date, limit: number): Promise<number> {
  const expired = orm
    .select({ hash: spentStates.hash })
    .from(spentStates)
    .where(lte(spentStates.expiresAt, now))
    .limit(limit)
  const rows = await orm
    .delete(spentStates)
    .where(inArray(spentStates.hash, expired))
    .returning({ hash: spentStates.hash })
  return rows.length
}
