import { createHash } from 'node:crypto'
import { and, eq, inArray, isNull, lte, or, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { codeAttempts } from '../../schema.ts'

/** Counts an attempt of a key; a window that started before `since` starts again. */
export async function countAttempt(
  tx: Orm,
  key: string,
  { now, since, expiresAt }: { now: Date; since: Date; expiresAt: Date },
): Promise<{ tries: number; windowStartedAt: Date }> {
  const isCurrent = sql`${codeAttempts.windowStartedAt} > ${since.toISOString()}::timestamptz`
  const rows = await tx
    .insert(codeAttempts)
    .values({ addressHash: hashOf(key), windowStartedAt: now, tries: 1, expiresAt })
    .onConflictDoUpdate({
      target: codeAttempts.addressHash,
      set: {
        tries: sql`case when ${isCurrent} then ${codeAttempts.tries} + 1 else 1 end`,
        windowStartedAt: sql`case when ${isCurrent} then ${codeAttempts.windowStartedAt} else excluded.window_started_at end`,
        expiresAt: sql`excluded.expires_at`,
      },
    })
    .returning({ tries: codeAttempts.tries, windowStartedAt: codeAttempts.windowStartedAt })
  return rows[0]!
}

/** Deletes the counter of a key. */
export async function deleteAttempts(tx: Orm, key: string): Promise<void> {
  await tx.delete(codeAttempts).where(eq(codeAttempts.addressHash, hashOf(key)))
}

/** Deletes up to `limit` counters that have expired; returns how many. `before` is for rows of the previous version. */
export async function deleteExpiredAttempts(
  orm: Orm,
  { now, before, limit }: { now: Date; before: Date; limit: number },
): Promise<number> {
  const isOver = or(isNull(codeAttempts.expiresAt), lte(codeAttempts.expiresAt, now))
  const old = orm
    .select({ addressHash: codeAttempts.addressHash })
    .from(codeAttempts)
    .where(and(lte(codeAttempts.windowStartedAt, before), isOver))
    .limit(limit)
  const rows = await orm
    .delete(codeAttempts)
    .where(inArray(codeAttempts.addressHash, old))
    .returning({ addressHash: codeAttempts.addressHash })
  return rows.length
}

/** Keys contain email and network addresses, which are not stored in plain text. */
function hashOf(key: string): Uint8Array {
  return createHash('sha256').update(key).digest()
}
