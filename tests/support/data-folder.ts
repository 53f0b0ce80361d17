import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../../src/db/database.ts'
import { temporaryFolder } from './folder.ts'

let template: Promise<string> | undefined

/**
 * A new `DATA_DIR` with an empty embedded database in it, gone when the test has finished. Copying one takes a moment; a server
 * that has to make one takes seconds to start.
 */
export async function dataFolder(): Promise<string> {
  const folder = temporaryFolder()
  template ??= makeTemplate()
  cpSync(await template, join(folder, 'database'), { recursive: true })
  return folder
}

async function makeTemplate(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'parley-template-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const dir = join(folder, 'database')
  const db = await openDatabase({ kind: 'embedded', dir })
  await db.close()
  return dir
}
