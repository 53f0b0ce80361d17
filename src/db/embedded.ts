import { PGlite } from '@electric-sql/pglite'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { drizzle } from 'drizzle-orm/pglite'
import { makePrivate } from '../private-files.ts'
import type { Database } from './database.ts'
import { lockFolder } from './folder-lock.ts'
import { type MigrationReport, migrateEmbedded } from './migrate.ts'
import { copyPreviousLayout, dropPreviousLayout } from './previous-layout.ts'
import * as schema from './schema.ts'

/**
 * Opens the database in folder `dir`, or one in memory (`memory://`), and applies missing migrations.
 * @throws when another process uses the folder, or a newer version has migrated the database.
 */
export async function openEmbedded(dir: string, report: MigrationReport = () => {}): Promise<Database> {
  const inMemory = dir.startsWith('memory://')
  const unlock = inMemory ? async () => {} : await lockFolder(dir)
  try {
    const client = await PGlite.create(dir, { extensions: EXTENSIONS })
    // PGlite sets the modes of its first files, regardless of the umask.
    if (!inMemory) makePrivate(dir)
    const database = embeddedDatabase(client)
    await migrateEmbedded(database.orm)
    await copyPreviousLayout(database.rows, { kind: 'embedded', report })
    await dropPreviousLayout(database.rows)
    // There is no autovacuum here; without statistics, searches use the wrong index.
    await client.exec('analyze')
    return {
      ...database,
      async close() {
        if (!inMemory) await client.exec('checkpoint')
        await database.close()
        await unlock()
      },
    }
  } catch (error) {
    await unlock()
    throw error
  }
}

/** The extensions that migrations use. */
export const EXTENSIONS = { pg_trgm }

/** A PGlite that is open and migrated, as a database. */
export function embeddedDatabase(client: PGlite): Database {
  const orm = drizzle(client, { schema })
  return {
    kind: 'embedded',
    orm,
    async rows<Row>(statement: string, params: unknown[]) {
      return (await client.query<Row>(statement, params)).rows
    },
    pipeline: (statements) =>
      client.transaction(async (tx) => {
        const results: unknown[][] = []
        for (const { text, params } of statements) results.push((await tx.query(text, params)).rows)
        return results
      }),
    transaction: (work) => orm.transaction((tx) => work(tx)),
    async ping() {
      await client.query('select 1')
    },
    close: () => client.close(),
  }
}
