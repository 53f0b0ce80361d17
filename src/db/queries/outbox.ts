import { asc, eq, lte, sql } from 'drizzle-orm'
import type { Orm } from '../database.ts'
import { mailOutbox } from '../schema.ts'

/** A letter to be sent; what is secret in it is made when it is. */
export interface OutboxRow {
  id: string
  kind: string
  userId: string | null
  recipient: string
  insertedAt: Date
  attempts: number
}

export async function insertOutboxRow(
  orm: Orm,
  row: { id: string; kind: string; userId: string | null; recipient: string; now: Date },
): Promise<void> {
  const { now, ...columns } = row
  await orm.insert(mailOutbox).values({ ...columns, insertedAt: now, nextAttemptAt: now })
}

/** Takes the letter that has been due longest and puts it off until `until`, for the case that the taker dies. */
export async function claimOutboxRow(orm: Orm, now: Date, until: Date): Promise<OutboxRow | undefined> {
  const due = orm
    .select({ id: mailOutbox.id })
    .from(mailOutbox)
    .where(lte(mailOutbox.nextAttemptAt, now))
    .orderBy(asc(mailOutbox.nextAttemptAt), asc(mailOutbox.id))
    .limit(1)
    .for('update', { skipLocked: true })
  const rows = await orm
    .update(mailOutbox)
    .set({ nextAttemptAt: until, attempts: sql`${mailOutbox.attempts} + 1` })
    .where(sql`${mailOutbox.id} = ${due}`)
    .returning({
      id: mailOutbox.id,
      kind: mailOutbox.kind,
      userId: mailOutbox.userId,
      recipient: mailOutbox.recipient,
      insertedAt: mailOutbox.insertedAt,
      attempts: mailOutbox.attempts,
    })
  return rows[0]
}

export async function postponeOutboxRow(orm: Orm, id: string, nextAttemptAt: Date): Promise<void> {
  await orm.update(mailOutbox).set({ nextAttemptAt }).where(eq(mailOutbox.id, id))
}

export async function deleteOutboxRow(orm: Orm, id: string): Promise<void> {
  await orm.delete(mailOutbox).where(eq(mailOutbox.id, id))
}
