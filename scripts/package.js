// Makes `npm pack` produce the package `parley` with the entry `parley/channels`, which depends on `ws` alone. npm packs
// package.json as it is, and that of this repository is the server's: `before` replaces it, and `after` restores it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = join(root, 'package.json')
const original = join(root, 'dist', 'package.json.original')
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
}

/**
 * The manifest of the package.
 * @param {Record<string, unknown> & {dependencies: Record<string, string>}} manifest
 */
function published({ name, version, license, type, engines, exports, files, dependencies }) {
  const description = 'A server for Phoenix channels: sockets, topics and presence for phoenix.js clients.'
  const keywords = ['phoenix', 'channels', 'websocket', 'presence', 'pubsub', 'realtime']
  return {
    ...{ name, version, description, keywords, license, type, engines, exports, files },
    dependencies: { ws: dependencies.ws },
  }
}
