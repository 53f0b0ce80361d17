import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, expect, vi } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { openDatabase } from '../../src/db/open-database.ts'
import { createTestDatabase, truncateAll } from './database.ts'

/** One PostgreSQL database as two nodes use it. */
export interface SharedDatabase {
  url: string
  /** The connections of each node. */
  dbs: [Database, Database]
  /** Another connection, by hand. */
  sql: postgres.Sql
  /** Resolves when so many statements wait for a lock. */
  waiting(count: number): Promise<void>
}

/** Gives the tests of a group a database for two nodes, which is empty before each test. @param server the URL of the server. */
export function setUpSharedDatabase(server: string, given: (shared: SharedDatabase) => void): void {
  let drop = async () => {}
  let shared: SharedDatabase
  beforeAll(async () => {
    const created = await createTestDatabase(server)
    drop = created.drop
    const { url } = created
    const open = () => openDatabase({ kind: 'postgres', url, poolSize: 4 })
    const dbs: [Database, Database] = [await open(), await open()]
    const sql = postgres(url, { max: 3, onnotice: () => {} })
    const waiting = (count: number) =>
      vi.waitFor(
        async () => {
          const rows = await sql`
            select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
          expect(rows).toHaveLength(count)
        },
        { timeout: 20_000 },
      )
    shared = { url, dbs, sql, waiting }
    given(shared)
  })
  afterAll(async () => {
    await Promise.all([...shared.dbs.map((db) => db.close()), shared.sql.end()])
    await drop()
  })
  beforeEach(() => truncateAll(shared.dbs[0]))
}
