import type { Database, Orm } from '../../db/database.ts'
import { isUniqueViolation } from '../../db/failures.ts'
import { AppError } from '../../errors.ts'

const UNIQUE_INDEXES = [
  ['users_email_unique', 'email'],
  ['users_username_unique', 'username'],
] as const

/**
 * Runs a transaction that sets the email address or the username of a user.
 * @throws AppError `validation_failed` when another account has it.
 */
export function storeUniqueFields<T>(db: Database, work: (tx: Orm) => Promise<T>): Promise<T> {
  return reportingDuplicates(db.transaction(work))
}

/** Translates the failure of `change`. @throws AppError `validation_failed` when another account has the email address or username. */
export async function reportingDuplicates<T>(change: Promise<T>): Promise<T> {
  try {
    return await change
  } catch (cause) {
    const field = UNIQUE_INDEXES.find(([index]) => isUniqueViolation(cause, index))?.[1]
    if (!field) throw cause
    throw new AppError('validation_failed', { fields: { [field]: ['has already been taken'] }, cause })
  }
}
