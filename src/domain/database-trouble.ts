import { failureOf } from '../db/failures.ts'
import type { AppError } from '../errors.ts'
import { busy } from './persist.ts'

/** The AppError `busy` for a failure that says the database cannot serve now and may serve later; undefined for others. */
export function databaseTrouble(error: unknown): AppError | undefined {
  // A request that was cut off has such a code too, and says which status it deserves.
  if (error instanceof Error && 'statusCode' in error) return undefined
  const failure = failureOf(error)
  return failure === 'refused' || failure === 'duplicate' ? undefined : busy(error)
}
