/**
 * What a failed query means to who might try it again: `conflict`, rolled back because of another transaction; `lost`,
 * the connection went, so it may or may not have happened; `duplicate`, a unique value is taken; `unavailable`, the
 * database gives no service; `refused`, the same query would fail again.
 */
export type Failure = 'conflict' | 'lost' | 'duplicate' | 'unavailable' | 'refused'

const UNIQUE_VIOLATION = '23505'

/** SQLSTATEs (PostgreSQL, appendix A) and the codes of postgres.js and of Node's sockets. */
const FAILURES: [Exclude<Failure, 'refused'>, RegExp][] = [
  ['conflict', /^(40001|40P01|55P03)$/],
  [
    'lost',
    /^(CONNECTION_CLOSED|CONNECT_TIMEOUT|ECONN\w+|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENOTFOUND|EAI_AGAIN|08\w{3}|57P0[123])$/,
  ],
  ['duplicate', new RegExp(`^${UNIQUE_VIOLATION}$`)],
  // A server that knows neither the database nor us may do so yet: it is being set up, or restored.
  ['unavailable', /^(CONNECTION_ENDED|CONNECTION_DESTROYED|28\w{3}|3D000|53\w{3}|57014)$/],
]

/** Judges the failure of a query. */
export function failureOf(error: unknown): Failure {
  const code = String(innermost(error).code ?? '')
  return FAILURES.find(([, pattern]) => pattern.test(code))?.[0] ?? 'refused'
}

/** Whether the failure of a query was that a value was already taken in this unique index. */
export function isUniqueViolation(error: unknown, index: string): boolean {
  const failure = innermost(error)
  // postgres.js and PGlite call the same field of the server's answer differently.
  return failure.code === UNIQUE_VIOLATION && (failure.constraint_name ?? failure.constraint) === index
}

interface DriverError {
  code?: string
  constraint?: string
  constraint_name?: string
}

/** drizzle wraps what the driver throws. */
function innermost(error: unknown): DriverError {
  let failure = error
  while (failure instanceof Error && failure.cause) failure = failure.cause
  return (failure ?? {}) as DriverError
}
