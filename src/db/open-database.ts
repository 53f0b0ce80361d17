import type { DatabaseConfig } from '../config/config.ts'
import type { Database } from './database.ts'
import type { MigrationReport } from './migrate.ts'
import { openPostgres } from './postgres.ts'

/**
 * Opens the database and applies missing migrations.
 * @throws when it cannot be reached, is in use by another process (embedded), or was migrated by a newer version.
 */
export async function openDatabase(config: DatabaseConfig, report?: MigrationReport): Promise<Database> {
  if (config.kind === 'postgres') return openPostgres(config, report)
  // Loading it compiles several megabytes of WebAssembly.
  const { openEmbedded } = await import('./embedded.ts')
  return openEmbedded(config.dir, report)
}
