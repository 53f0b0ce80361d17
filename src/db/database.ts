import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite'
import { drizzle as drizzlePostgres } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import type { DatabaseConfig } from '../config.ts'
import { failureOf } from './failures.ts'
import { lockFolder } from './folder-lock.ts'
import { migrateEmbedded, migratePostgres } from './migrate.ts'
import * as schema from './schema.ts'

/** Typed queries: the whole database, or one transaction of it. */
export type Orm = PgDatabase<PgQueryResultHKT, typeof schema>

/** PostgreSQL, pooled, or the embedded PGlite: what every query runs on. */
export interface Database {
  readonly kind: DatabaseConfig['kind']
  readonly orm: Orm
  /**
   * Runs one hand-written statement, prepared once per connection: for the hot path. The two drivers differ in how they
   * return times and bigints, so such a statement casts both to `float8` (milliseconds since the epoch for a time).
   */
  rows<Row>(statement: string, params: unknown[]): Promise<Row[]>
  /** Runs `work` in one transaction (READ COMMITTED), rolled back if it throws. Queries inside use `tx` alone. */
  transaction<T>(work: (tx: Orm) => Promise<T>): Promise<T>
  /** Resolves when the database answers. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** Milliseconds a statement may wait for a row lock, and run, before PostgreSQL gives it up. */
const LOCK_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 30_000

/** Seconds between two tries to connect again, at most: a short outage should be over soon after it is over. */
const LONGEST_BACKOFF_S = 2

/**
 * Opens the database and brings its schema up to date.
 * @throws when it cannot be reached, is in use by another process (embedded), or has a migration this version lacks.
 */
export function openDatabase(config: DatabaseConfig): Promise<Database> {
  return config.kind === 'postgres' ? openPostgres(config) : openEmbedded(config.dir)
}

async function openPostgres({ url, poolSize }: DatabaseConfig & { kind: 'postgres' }): Promise<Database> {
  await migratePostgres(url)
  const client = postgres(url, {
    max: poolSize,
    connect_timeout: 5,
    backoff: (tries) => Math.min(LONGEST_BACKOFF_S, 0.05 * 2 ** tries),
    onnotice: () => {},
    connection: {
      application_name: 'parley',
      lock_timeout: LOCK_TIMEOUT_MS,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      // Every statement here is short: compiling one costs more than running it.
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
    transaction: (work) => orm.transaction((tx) => unlessLost(work(tx))),
    async ping() {
      await client`select 1`
    },
    close: () => client.end({ timeout: 5 }),
  }
}

/**
 * The work of a transaction; when its connection is lost, it does not end. postgres.js then fails the transaction by itself, and
 * would otherwise roll back over the connection that is gone, which throws where nobody can catch it.
 */
async function unlessLost<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (failureOf(error) !== 'lost') throw error
    return new Promise<never>(() => {})
  }
}

async function openEmbedded(dir: string): Promise<Database> {
  const { PGlite } = await import('@electric-sql/pglite')
  const inMemory = dir.startsWith('memory://')
  const unlock = inMemory ? () => {} : lockFolder(dir)
  try {
    const client = await PGlite.create(dir)
    const orm = drizzlePglite(client, { schema })
    await migrateEmbedded(orm)
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
        unlock()
      },
    }
  } catch (error) {
    unlock()
    throw error
  }
}
