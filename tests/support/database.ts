import { randomBytes } from 'node:crypto'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { type Database, openDatabase } from '../../src/db/database.ts'

/**
 * A fresh, migrated database: a new one on the server of `DATABASE_URL` when that is set, dropped again by `close`;
 * otherwise an embedded one in memory.
 */
export async function openTestDatabase(): Promise<Database> {
  const server = process.env.DATABASE_URL
  if (!server) return openDatabase({ kind: 'embedded', dir: 'memory://' })
  const { url, drop } = await createTestDatabase(server)
  const db = await openDatabase({ kind: 'postgres', url, poolSize: 10 })
  return {
    ...db,
    async close() {
      await db.close()
      await drop()
    },
  }
}

/** A new, empty PostgreSQL database for tests that open it themselves, several times perhaps. */
export async function createTestDatabase(
  server: string,
): Promise<{ url: string; drop: () => Promise<void> }> {
  const name = `parley_test_${randomBytes(8).toString('hex')}`
  await onServer(server, `create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { url: url.href, drop: () => onServer(server, `drop database ${name} with (force)`) }
}

/** Empties every table, for tests that share a database. */
export async function truncateAll(db: Database): Promise<void> {
  const tables = await db.rows<{ name: string }>(
    `select quote_ident(tablename) as name from pg_tables where schemaname = 'public'`,
    [],
  )
  await db.orm.execute(sql.raw(`truncate ${tables.map(({ name }) => name).join(', ')}`))
}

async function onServer(server: string, statement: string): Promise<void> {
  const client = postgres(server, { max: 1, onnotice: () => {} })
  try {
    await client.unsafe(statement)
  } finally {
    await client.end({ timeout: 5 })
  }
}
