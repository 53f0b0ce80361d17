import { eq, inArray, lte } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { spentStates } from '../../schema.ts'

/** Marks a single-use value as used; false when it was used before. */
export async function markStateUsed(orm: Orm, hash: Uint8Array, expiresAt: Date): Promise<boolean> {
  const rows = await orm
    .insert(spentStates)
    .values({ hash, expiresAt })
    .onConflictDoNothing()
    .returning({ hash: spentStates.hash })
  return rows.length > 0
}

/** Whether a single-use value was used. */
export async function isStateUsed(orm: Orm, hash: Uint8Array): Promise<boolean> {
  const rows = await orm
    .select({ hash: spentStates.hash })
    .from(spentStates)
    .where(eq(spentStates.hash, hash))
  return rows.length > 0
}

/** Deletes up to `limit` values that have expired; returns how many. */
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
