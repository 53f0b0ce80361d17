import { dropTestDatabases } from './database.ts'

/** Drops the PostgreSQL databases that the workers shared. */
export async function teardown(): Promise<void> {
  if (process.env.DATABASE_URL) await dropTestDatabases(process.env.DATABASE_URL)
}
