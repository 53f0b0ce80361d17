import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { EMBEDDED_TEMPLATE } from './embedded-template.ts'
import { temporaryFolder } from './folder.ts'

/**
 * Creates a `DATA_DIR` with an empty embedded database. It is deleted when the test has finished. The database is a copy, because
 * creating one takes seconds.
 */
export function dataFolder(): string {
  const folder = temporaryFolder()
  cpSync(EMBEDDED_TEMPLATE.folder, join(folder, 'database'), { recursive: true })
  return folder
}
