import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { EMBEDDED_TEMPLATE } from './embedded-template.ts'
import { temporaryFolder } from './folder.ts'

/**
 * A new `DATA_DIR` with an empty embedded database in it, gone when the test has finished. A server that has to make one takes seconds
 * to start.
 */
export function dataFolder(): string {
  const folder = temporaryFolder()
  cpSync(EMBEDDED_TEMPLATE.folder, join(folder, 'database'), { recursive: true })
  return folder
}
