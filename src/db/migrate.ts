import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type SQL, sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { migrate as migratePgliteDatabase } from 'drizzle-orm/pglite/migrator'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate as migratePostgresDatabase } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import { APPLICATION_NAME, copyPreviousLayout, dropPreviousLayout } from './previous-layout.ts'

const migrationsFolder = fileURLToPath(new URL('../../drizzle', import.meta.url))

/** The key of the advisory lock: one process migrates at a time. */
const MIGRATION_LOCK = 7_275_395_139

const LOCK_RETRY_DELAY_MS = 50

/** Called with what a migration that takes long has done. */
export type MigrationReport = (line: string) => void

/**
 * Applies missing migrations, one process at a time.
 * @throws when a migration was skipped, or the database was migrated by a newer version.
 */
export async function migratePostgres(url: string, report: MigrationReport = () => {}): Promise<void> {
  const connection = { application_name: APPLICATION_NAME }
  const client = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {}, connection })
  try {
    await lockMigrations(client)
    const orm = drizzle(client)
    await migratePostgresDatabase(orm, { migrationsFolder })
    verify((await orm.execute(appliedMigrations)) as unknown as Applied[])
    // The driver types neither the parameters nor the rows of a statement given as text.
    const rows = async <Row>(statement: string, params: unknown[]) =>
      (await client.unsafe(statement, params as never[])) as unknown as Row[]
    await copyPreviousLayout(rows, { kind: 'postgres', report })
    await dropPreviousLayout(rows)
  } finally {
    await client.end({ timeout: 5 })
  }
}

/** Waits for the lock without a transaction: the concurrent build of an index waits for all transactions. */
async function lockMigrations(client: postgres.Sql): Promise<void> {
  for (;;) {
    const [row] = await client`select pg_try_advisory_lock(${MIGRATION_LOCK}) as locked`
    if (row?.locked) return
    await setTimeout(LOCK_RETRY_DELAY_MS)
  }
}

/** Applies missing migrations to the embedded database. */
export async function migrateEmbedded(orm: StatementRunner): Promise<void> {
  await migratePgliteDatabase(orm as never, { migrationsFolder })
  const result = (await orm.execute(appliedMigrations)) as unknown as { rows: Applied[] }
  verify(result.rows)
}

/** The part of a drizzle database that migrations use. */
interface StatementRunner {
  execute(statement: SQL): PromiseLike<unknown>
}

interface Applied {
  hash: string
}

const appliedMigrations = sql`select hash from drizzle.__drizzle_migrations`

/** Checks that every migration is applied: drizzle silently skips one that is older than the last applied one. */
function verify(applied: Applied[]): void {
  const hashes = new Set(applied.map(({ hash }) => hash))
  const known = readMigrationFiles({ migrationsFolder })
  const skipped = known.filter(({ hash }) => !hashes.has(hash))
  if (skipped.length) {
    throw new Error(
      `${skipped.length} of ${known.length} migrations were not applied, because they are older than the newest one in the database. Generate them again.`,
    )
  }
  if (hashes.size > known.length) {
    throw new Error('The database was migrated by a newer version of Parley. Use that version.')
  }
}
