import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite'
import { drizzle as drizzlePostgres } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import type { DatabaseConfig } from '../config/config.ts'
import { makePrivate } from '../private-files.ts'
import { failureOf } from './failures.ts'
import { lockFolder } from './folder-lock.ts'
import { migrateEmbedded, migratePostgres } from './migrate.ts'
import * as schema from './schema.ts'

/** Typed queries, on the database or in a transaction. */
export type Orm = PgDatabase<PgQueryResultHKT, typeof schema>

/** A PostgreSQL pool, or the embedded PGlite. */
export interface Database {
  readonly kind: DatabaseConfig['kind']
  readonly orm: Orm
  /**
   * Runs one SQL statement, prepared once per connection, for the hot path. The two drivers return times and bigints differently, so
   * such statements cast both to `float8` (milliseconds since the epoch for a time).
   */
  rows<Row>(statement: string, params: unknown[]): Promise<Row[]>
  /** Runs `work` in a transaction (READ COMMITTED), rolled back if it throws. Queries inside must use `tx`. */
  transaction<T>(work: (tx: Orm) => Promise<T>): Promise<T>
  /** Resolves when the database answers. */
  ping(): Promise<void>
  close(): Promise<void>
}

const LOCK_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 30_000

/** Seconds between attempts to reconnect, at most, so that the server recovers soon after a short outage. */
const MAX_RECONNECT_DELAY_S = 2

/**
 * Opens the database and applies missing migrations.
 * @throws when it cannot be reached, is in use by another process (embedded), or was migrated by a newer version.
 */
export function openDatabase(config: DatabaseConfig): Promise<Database> {
  return config.kind === 'postgres' ? openPostgres(config) : openEmbedded(config.dir)
}

async function openPostgres({ url, poolSize }: DatabaseConfig & { kind: 'postgres' }): Promise<Database> {
  await migratePostgres(url)
  const client = postgres(url, {
    max: poolSize,
    connect_timeout: 5,
    backoff: (tries) => Math.min(MAX_RECONNECT_DELAY_S, 0.05 * 2 ** tries),
    onnotice: () => {},
    connection: {
      application_name: 'parley',
      lock_timeout: LOCK_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      // Statements are short: compiling one costs more than running it.
      jit: false,
    },
  })
  const orm = drizzlePostgres(client, { schema })
  return {
    kind: 'postgres',
    orm,
    async rows<Row>(statement: string, params: unknown[]) {
      const result = await client.unsafe(statement, params as never[], { prepare: true })
      return result as unknown as Row[]
    },
    transaction: (work) => orm.transaction((tx) => hangingIfLost(work(tx))),
    async ping() {
      await client`select 1`
    },
    close: () => client.end({ timeout: 5 }),
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

async function openEmbedded(dir: string): Promise<Database> {
  const { PGlite } = await import('@electric-sql/pglite')
  const { pg_trgm } = await import('@electric-sql/pglite/contrib/pg_trgm')
  const inMemory = dir.startsWith('memory://')
  const unlock = inMemory ? async () => {} : await lockFolder(dir)
  try {
    const client = await PGlite.create(dir, { extensions: { pg_trgm } })
    // PGlite sets the modes of its first files, regardless of the umask.
    if (!inMemory) makePrivate(dir)
    const orm = drizzlePglite(client, { schema })
    await migrateEmbedded(orm)
    // There is no autovacuum here; without statistics, searches use the wrong index.
    await client.exec('analyze')
    return {
      kind: 'embedded',
      orm,
      async rows<Row>(statement: string, params: unknown[]) {
        return (await client.query<Row>(statement, params)).rows
      },
      transaction: (work) => orm.transaction((tx) => work(tx)),
      async ping() {
        await client.query('select 1')
      },
      async close() {
        if (!inMemory) await client.exec('checkpoint')
        await client.close()
        await unlock()
      },
    }
  } catch (error) {
    await unlock()
    throw error
  }
}
