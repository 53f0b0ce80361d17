// Makes `npm pack` produce the package `parley` with the entries `parley/channels` and `parley/client`. npm packs package.json as it
// is, and that of this repository is the server's: `before` replaces it, and `after` restores it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = join(root, 'package.json')
const original = join(root, 'dist', 'package.json.original')
const PACKAGES = ['jose', 'phoenix', 'typebox', 'ws']
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')

if (process.argv[2] === 'after') restore()
else prepare()

function prepare() {
  restore() // what an interrupted run has left
  compile()
  const text = readFileSync(manifest, 'utf8')
  mkdirSync(join(root, 'dist'), { recursive: true })
  writeFileSync(original, text)
  writeFileSync(manifest, `${JSON.stringify(published(JSON.parse(text)), null, 2)}\n`)
}

function restore() {
  if (existsSync(original)) renameSync(original, manifest)
}

function compile() {
  rmSync(join(root, 'dist', 'package'), { recursive: true, force: true })
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.package.json'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) process.exit(1)
  removeSchemas()
}

/** The client has types that are made from schemas, and none of their code. */
function removeSchemas() {
  const folder = join(root, 'dist', 'package')
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (/^(schemas.*|contract|media-formats)\.js$/.test(path)) rmSync(join(folder, path))
  }
}

/**
 * The manifest of the package.
 * @param {Record<string, unknown> & {dependencies: Record<string, string>}} manifest
 */
function published({ name, version, license, type, sideEffects, engines, exports, files, dependencies }) {
  const description =
    'The client of the chat server Parley, and a server for Phoenix channels: sockets, topics and presence.'
  const keywords = [
    'chat',
    'encryption',
    'phoenix',
    'channels',
    'websocket',
    'presence',
    'pubsub',
    'realtime',
  ]
  return {
    ...{ name, version, description, keywords, license, type, sideEffects, engines, exports, files },
    // Those of the client's types too: TypeBox computes them from the schemas.
    dependencies: Object.fromEntries(PACKAGES.map((name) => [name, dependencies[name]])),
  }
}
