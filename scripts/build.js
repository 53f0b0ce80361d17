// Compiles src/ into dist/, unless dist/ is up to date.
// Writes only to standard error, because another program may read the standard output of the command that runs afterwards.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const stamp = join(root, 'dist', '.build')
// A development dependency, which `npm prune --omit=dev` removes.
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const config = 'tsconfig.build.json'
// The lockfile is not included: packages do not change the output, and `npm prune` rewrites it.
const inputs = ['package.json', 'tsconfig.json', config, 'scripts/build.js']

process.umask(0o022)
const hash = hashOf([...inputs, ...sources()])
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== hash) build()

function build() {
  if (!existsSync(compiler))
    fail('The sources are not compiled, and there is no compiler. Run `npm ci && npm run build`.')
  rmSync(stamp, { force: true })
  const { status } = spawnSync(process.execPath, [compiler, '-p', config], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) fail('The sources could not be compiled.')
  writeFileSync(stamp, hash)
}

/** Hashes contents, because `git pull`, copying and container layers change modification times. */
function hashOf(/** @type {string[]} */ paths) {
  const hash = createHash('sha256')
  for (const path of paths)
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0')
  return hash.digest('hex')
}

function sources() {
  const paths = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  return paths
    .filter((path) => /\.(ts|js)$/.test(path))
    .map((path) => `src/${path}`)
    .sort()
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message)
  process.exit(1)
}
