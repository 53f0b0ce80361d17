import { and, eq } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { identities, users } from '../../schema.ts'
import { hasEmail } from './users.ts'

/** A user at an identity provider (OpenID Connect Core 1.0, section 2: `iss` and `sub`). */
export interface IdentityKey {
  issuer: string
  subject: string
}

/** The user that an identity is linked to. */
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

/** The identities of a user, at any provider. */
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

export async function deleteIdentitiesOf(tx: Orm, userId: string): Promise<void> {
  await tx.delete(identities).where(eq(identities.userId, userId))
}

/** Finds the user of an address, in any spelling, and locks the row until the transaction ends. */
export async function lockUserByEmail(tx: Orm, email: string): Promise<string | undefined> {
  const rows = await tx.select({ id: users.id }).from(users).where(hasEmail(email)).for('no key update')
  return rows[0]?.id
}
