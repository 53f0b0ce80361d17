import { dropTestDatabases } from './database.ts'

/** Drops the PostgreSQL databases of the workers. Runs once after all tests. */
export async function teardown(): Promise<void> {
  if (process.env.DATABASE_URL) await dropTestDatabases(process.env.DATABASE_URL)
}
