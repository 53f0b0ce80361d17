import { and, asc, eq, gt, sql } from 'drizzle-orm'
import type { Orm } from '../../database.ts'
import { users } from '../../schema.ts'

/** An account and its canonical address; null when another account has it. */
export interface EmailHolder {
  id: string
  email: string
  canonicalEmail: string | null
  confirmedAt: Date | null
  insertedAt: Date
}

const holder = {
  id: users.id,
  email: users.email,
  canonicalEmail: users.canonicalEmail,
  confirmedAt: users.emailConfirmedAt,
  insertedAt: users.insertedAt,
}

/** Accounts without a canonical address, or with one whose domain SQL could not convert, in id order. */
export function listUncorrectedEmails(orm: Orm, after: string, limit: number): Promise<EmailHolder[]> {
  return orm
    .select(holder)
    .from(users)
    .where(and(gt(users.id, after), needsCorrection))
    .orderBy(asc(users.id))
    .limit(limit)
}

export async function findEmailHolder(orm: Orm, canonicalEmail: string): Promise<EmailHolder | undefined> {
  const rows = await orm.select(holder).from(users).where(eq(users.canonicalEmail, canonicalEmail))
  return rows[0]
}

/** Sets the canonical address of an account, unless its address has changed since it was read. */
export async function setCanonicalEmail(
  tx: Orm,
  { id, email }: Pick<EmailHolder, 'id' | 'email'>,
  canonicalEmail: string | null,
): Promise<void> {
  await tx
    .update(users)
    .set({ canonicalEmail })
    .where(and(eq(users.id, id), eq(users.email, email)))
}

/** Waits until no other process corrects addresses, and locks them out until the transaction ends. */
export async function lockEmailCorrection(tx: Orm): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${CORRECTION_LOCK})`)
}

/** The key of the advisory lock. */
const CORRECTION_LOCK = 7_275_395_140

/** As in the partial index `users_email_unsettled`. */
const needsCorrection = sql.raw(
  String.raw`("canonical_email" is null or "canonical_email" ~ '@[^@]*[^\u0001-\u007f]')`,
)
