import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import { EXTENSIONS, openEmbedded } from '../../src/db/embedded.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Where templates are kept between runs. */
const CACHE = join(ROOT, 'node_modules/.cache/parley')

/** What the content of a template follows from. */
const SOURCES = [
  'package-lock.json',
  'src/db/embedded.ts',
  'src/db/previous-layout.ts',
  ...JSON.parse(readFileSync(join(ROOT, 'drizzle/meta/_journal.json'), 'utf8')).entries.map(
    ({ tag }: { tag: string }) => `drizzle/${tag}.sql`,
  ),
]

/**
 * An embedded database without rows, from which tests start theirs: creating one takes seconds of CPU, a copy a fraction of one.
 * `folder` is its data directory, and `archive` the same as PGlite loads it into memory.
 */
export const EMBEDDED_TEMPLATE = locate()

function locate(): { folder: string; archive: string } {
  const hash = createHash('sha256')
  for (const path of SOURCES) hash.update(readFileSync(join(ROOT, path)))
  const place = join(CACHE, `embedded-${hash.digest('hex').slice(0, 16)}`)
  return { folder: join(place, 'database'), archive: join(place, 'database.tar') }
}

/** Makes the template unless an earlier run has: a global set-up of vitest. */
export async function setup(): Promise<void> {
  const place = dirname(EMBEDDED_TEMPLATE.folder)
  if (existsSync(place)) return
  mkdirSync(CACHE, { recursive: true })
  const unfinished = mkdtempSync(`${place}-`)
  const folder = join(unfinished, basename(EMBEDDED_TEMPLATE.folder))
  await (await openEmbedded(folder)).close()
  rmSync(`${folder}.lock`, { recursive: true })
  const client = await PGlite.create({ dataDir: folder, extensions: EXTENSIONS })
  const archive = await client.dumpDataDir('none')
  await client.close()
  writeFileSync(
    join(unfinished, basename(EMBEDDED_TEMPLATE.archive)),
    Buffer.from(await archive.arrayBuffer()),
  )
  try {
    renameSync(unfinished, place)
  } catch (error) {
    rmSync(unfinished, { recursive: true })
    // Another run may have been faster.
    if (!existsSync(place)) throw error
  }
}
