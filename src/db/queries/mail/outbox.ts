import { and, asc, eq, lte, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { mailOutbox } from '../../schema.ts'
import type { Insertion } from '../insertions.ts'

/** The request that caused an email. */
export interface EmailDetails {
  /** ISO 8601. */
  at: string
  /** The network address of the client. */
  ip?: string
  /** The name of the browser, if known. */
  browser?: string
}

/** An email to send. Tokens are issued when it is sent. */
export interface OutboxRow {
  id: string
  kind: string
  userId: string | null
  recipient: string
  details: EmailDetails | null
  insertedAt: Date
  attempts: number
}

/** Inserts an email that is due now. */
export function outboxInsertion(
  orm: Orm,
  row: {
    id: string
    kind: string
    userId: string | null
    recipient: string
    details?: EmailDetails
    now: Date
  },
): Insertion {
  const { now, ...columns } = row
  const ofEmail = orm.insert(mailOutbox).values({ ...columns, insertedAt: now, nextAttemptAt: now })
  return orm.$with('new_email').as(ofEmail.returning({ id: mailOutbox.id }))
}

/** Claims the email that has been due longest. It becomes due again at `until`, in case the worker crashes. */
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
      details: mailOutbox.details,
      insertedAt: mailOutbox.insertedAt,
      attempts: mailOutbox.attempts,
    })
  return rows[0]
}

export async function postponeOutboxRow(orm: Orm, id: string, nextAttemptAt: Date): Promise<void> {
  await orm.update(mailOutbox).set({ nextAttemptAt }).where(eq(mailOutbox.id, id))
}

/** Deletes a user's unsent emails to an address. */
export async function deleteOutboxRowsOf(tx: Orm, userId: string, recipient: string): Promise<void> {
  await tx.delete(mailOutbox).where(and(eq(mailOutbox.userId, userId), eq(mailOutbox.recipient, recipient)))
}

export async function deleteOutboxRow(orm: Orm, id: string): Promise<void> {
  await orm.delete(mailOutbox).where(eq(mailOutbox.id, id))
}
