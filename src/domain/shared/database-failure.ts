import { failureOf } from '../../db/failures.ts'
import type { AppError } from '../../errors.ts'
import { busy } from './retry-until-committed.ts'

/** The AppError `busy` for a temporary failure of the database; undefined for other errors. */
export function describeDatabaseFailure(error: unknown): AppError | undefined {
  // The error of an aborted request has a similar code, but brings its own status.
  if (error instanceof Error && 'statusCode' in error) return undefined
  const failure = failureOf(error)
  return failure === 'refused' || failure === 'duplicate' ? undefined : busy(error)
}
