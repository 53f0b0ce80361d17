import { inArray, lte, sql } from 'drizzle-orm'
import type { Orm } from '../database.ts'
import { codeAttempts } from '../schema.ts'

/** Counts a try for an address, in any letter case, within the window that began after `since`. */
export async function countTry(
  tx: Orm,
  email: string,
  { now, since }: { now: Date; since: Date },
): Promise<{ tries: number; windowStartedAt: Date }> {
  const isCurrent = sql`${codeAttempts.windowStartedAt} > ${since.toISOString()}::timestamptz`
  const rows = await tx
    .insert(codeAttempts)
    .values({ addressHash: hashOf(email), windowStartedAt: now, tries: 1 })
    .onConflictDoUpdate({
      target: codeAttempts.addressHash,
      set: {
        tries: sql`case when ${isCurrent} then ${codeAttempts.tries} + 1 else 1 end`,
        windowStartedAt: sql`case when ${isCurrent} then ${codeAttempts.windowStartedAt} else excluded.window_started_at end`,
      },
    })
    .returning({ tries: codeAttempts.tries, windowStartedAt: codeAttempts.windowStartedAt })
  return rows[0]!
}

/** Forgets the tries for an address. */
export async function forgetTries(tx: Orm, email: string): Promise<void> {
  await tx.delete(codeAttempts).where(sql`${codeAttempts.addressHash} = ${hashOf(email)}`)
}

/** Removes up to `limit` counts whose window is over; returns how many. */
export async function deleteOldTries(orm: Orm, before: Date, limit: number): Promise<number> {
  const old = orm
    .select({ addressHash: codeAttempts.addressHash })
    .from(codeAttempts)
    .where(lte(codeAttempts.windowStartedAt, before))
    .limit(limit)
  const rows = await orm
    .delete(codeAttempts)
    .where(inArray(codeAttempts.addressHash, old))
    .returning({ addressHash: codeAttempts.addressHash })
  return rows.length
}

/** Hashed by the database, which also decides whose address it is: both see the same letter case. */
function hashOf(email: string) {
  return sql`sha256(convert_to(lower(${email}), 'UTF8'))`
}
