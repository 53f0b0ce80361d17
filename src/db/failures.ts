/**
 * Whether a failed query can be retried: `conflict`, rolled back because of another transaction; `lost`, the connection was lost, so
 * it may have been committed; `duplicate`, a unique value is taken; `unavailable`, the database does not accept queries now;
 * `refused`, the same query would fail again.
 */
export type Failure = 'conflict' | 'lost' | 'duplicate' | 'unavailable' | 'refused'

const UNIQUE_VIOLATION = '23505'

/** SQLSTATE codes (PostgreSQL, appendix A), and codes of postgres.js and of Node's sockets. */
const FAILURES: [Exclude<Failure, 'refused'>, RegExp][] = [
  ['conflict', /^(40001|40P01|55P03)$/],
  [
    'lost',
    /^(CONNECTION_CLOSED|CONNECT_TIMEOUT|ECONN\w+|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|08\w{3}|57P0[123])$/,
  ],
  ['duplicate', new RegExp(`^${UNIQUE_VIOLATION}$`)],
  // A missing database or role may be created soon, during setup or a restore.
  ['unavailable', /^(CONNECTION_ENDED|CONNECTION_DESTROYED|28\w{3}|3D000|53\w{3}|57014)$/],
]

/** Classifies the failure of a query. */
export function failureOf(error: unknown): Failure {
  const code = String(innermost(error).code ?? '')
  return FAILURES.find(([, pattern]) => pattern.test(code))?.[0] ?? 'refused'
}

/** Whether a transaction that failed with this error may have been committed. */
export function isOutcomeUnknown(error: unknown): boolean {
  return ['lost', 'unavailable'].includes(failureOf(error))
}

/** Whether a statement that failed with this error may have reached the database and been committed. */
export function mayBeCommitted(error: unknown): boolean {
  return isOutcomeUnknown(error) && !NOT_CONNECTED.test(String(innermost(error).code))
}

/** Codes of connections that were never established. */
const NOT_CONNECTED = /^(CONNECT_TIMEOUT|ECONNREFUSED|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|3D000|28\w{3})$/

/** Whether a query failed because of a duplicate value in this unique index. */
export function isUniqueViolation(error: unknown, index: string): boolean {
  const failure = innermost(error)
  // postgres.js and PGlite name this field differently.
  return failure.code === UNIQUE_VIOLATION && (failure.constraint_name ?? failure.constraint) === index
}

interface DriverError {
  code?: string
  constraint?: string
  constraint_name?: string
}

/** drizzle wraps the errors of the drivers. */
function innermost(error: unknown): DriverError {
  let failure = error
  while (failure instanceof Error && failure.cause) failure = failure.cause
  return (failure ?? {}) as DriverError
}
