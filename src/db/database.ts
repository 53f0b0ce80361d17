import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type { DatabaseConfig } from '../config/config.ts'
import type * as schema from './schema.ts'

/** Typed queries, on the database or in a transaction. */
export type Orm = PgDatabase<PgQueryResultHKT, typeof schema>

/** An SQL statement for `Database.pipeline`, with its parameters. */
export interface Statement {
  text: string
  params: unknown[]
}

/** A PostgreSQL pool, or the embedded PGlite. */
export interface Database {
  readonly kind: DatabaseConfig['kind']
  readonly orm: Orm
  /**
   * Runs one SQL statement, prepared once per connection, for the hot path. The two drivers return times and bigints differently, so
   * such statements cast both to `float8` (milliseconds since the epoch for a time).
   */
  rows<Row>(statement: string, params: unknown[]): Promise<Row[]>
  /**
   * Runs statements like `rows`, in one transaction (READ COMMITTED), rolled back if one fails. They are sent together, so that they
   * take one round trip; each sees what was committed before it began. Returns the rows of each.
   */
  pipeline(statements: readonly Statement[]): Promise<unknown[][]>
  /** Runs `work` in a transaction (READ COMMITTED), rolled back if it throws. Queries inside must use `tx`. */
  transaction<T>(work: (tx: Orm) => Promise<T>): Promise<T>
  /** Resolves when the database answers. */
  ping(): Promise<void>
  close(): Promise<void>
}
