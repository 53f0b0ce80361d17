/* Brings the database of this environment up to date without starting a server. */
import { readConfig } from '../config/config.ts'
import { openDatabase } from '../db/open-database.ts'

// What this process writes is nobody else's.
process.umask(0o077)
try {
  const { database } = readConfig()
  const db = await openDatabase(database, console.log)
  await db.close()
  console.log(`The ${database.kind === 'postgres' ? 'PostgreSQL' : 'embedded'} database is up to date.`)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
