import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import type { Database, Statement } from './database.ts'
import { failureOf } from './failures.ts'
import { type MigrationReport, migratePostgres } from './migrate.ts'
import { APPLICATION_NAME } from './previous-layout.ts'
import * as schema from './schema.ts'

const LOCK_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 30_000

/** Seconds between attempts to reconnect, at most, so that the server recovers soon after a short outage. */
const MAX_RECONNECT_DELAY_S = 2

/**
 * Opens a pool of `poolSize` connections to a PostgreSQL server, and applies missing migrations.
 * @throws when the server cannot be reached, or a newer version has migrated the database.
 */
export async function openPostgres(
  { url, poolSize }: { url: string; poolSize: number },
  report?: MigrationReport,
): Promise<Database> {
  await migratePostgres(url, report)
  const client = postgres(url, {
    max: poolSize,
    connect_timeout: 5,
    backoff: (tries) => Math.min(MAX_RECONNECT_DELAY_S, 0.05 * 2 ** tries),
    onnotice: () => {},
    connection: {
      application_name: APPLICATION_NAME,
      lock_timeout: LOCK_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      // Statements are short: compiling one costs more than running it.
      jit: false,
    },
  })
  const orm = drizzle(client, { schema })
  return {
    kind: 'postgres',
    orm,
    async rows<Row>(statement: string, params: unknown[]) {
      // The driver types neither the parameters nor the rows of a statement given as text.
      const result = await client.unsafe(statement, params as never[], { prepare: true })
      return result as unknown as Row[]
    },
    pipeline: (statements) => pipeline(client, statements),
    transaction: (work) => orm.transaction((tx) => hangingIfLost(work(tx))),
    async ping() {
      await client`select 1`
    },
    close: () => client.end({ timeout: 5 }),
  }
}

async function pipeline(client: postgres.Sql, statements: readonly Statement[]): Promise<unknown[][]> {
  const connection = await client.reserve()
  const queries = [
    connection.unsafe('begin'),
    // The driver does not type the parameters of a statement given as text.
    ...statements.map(({ text, params }) => connection.unsafe(text, params as never[], { prepare: true })),
    // Rolls back if a statement has failed.
    connection.unsafe('commit'),
  ]
  try {
    const results = await Promise.all(queries)
    connection.release()
    return results.slice(1, -1)
  } catch (error) {
    // postgres.js takes a lost connection back itself, and never settles the queries that it has not sent.
    if (failureOf(error) !== 'lost') {
      await Promise.allSettled(queries)
      connection.release()
    }
    throw error
  }
}

/**
 * Never settles if the connection of the transaction is lost. postgres.js then rejects the transaction itself; otherwise it would send
 * a rollback over the lost connection, which throws an error that cannot be caught.
 */
async function hangingIfLost<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (failureOf(error) !== 'lost') throw error
    return new Promise<never>(() => {})
  }
}
