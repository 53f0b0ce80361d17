import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { migrate as migratePgliteDatabase } from 'drizzle-orm/pglite/migrator'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate as migratePostgresDatabase } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import type { Orm } from './database.ts'

const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url))

/** One number that all Parley processes on a database agree on: who holds it migrates, the others wait. */
const MIGRATION_LOCK = 7_275_395_139

/**
 * Applies the migrations that are missing, one process at a time.
 * @throws when one was skipped, or the database is from a newer version.
 */
export async function migratePostgres(url: string): Promise<void> {
  const client = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} })
  try {
    await client`select pg_advisory_lock(${MIGRATION_LOCK})`
    const orm = drizzle(client)
    await migratePostgresDatabase(orm, { migrationsFolder })
    verify((await orm.execute(appliedMigrations)) as unknown as Applied[])
  } finally {
    await client.end({ timeout: 5 })
  }
}

/** The same for the embedded database, which has one process by itself. */
export async function migrateEmbedded(orm: Orm): Promise<void> {
  await migratePgliteDatabase(orm as never, { migrationsFolder })
  const result = (await orm.execute(appliedMigrations)) as unknown as { rows: Applied[] }
  verify(result.rows)
}

interface Applied {
  hash: string
}

const appliedMigrations = sql`select hash from drizzle.__drizzle_migrations`

/** drizzle passes over a migration that is older than the last applied one without a word, hence this look afterwards. */
function verify(applied: Applied[]): void {
  const hashes = new Set(applied.map(({ hash }) => hash))
  const known = readMigrationFiles({ migrationsFolder })
  const skipped = known.filter(({ hash }) => !hashes.has(hash))
  if (skipped.length) {
    throw new Error(
      `${skipped.length} of ${known.length} migrations were not applied: they are older than the newest one in the database. Regenerate them, so that they come last.`,
    )
  }
  if (hashes.size > known.length) {
    throw new Error('The database was migrated by a newer version of Parley. Start that version.')
  }
}
