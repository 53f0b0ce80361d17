import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const foundation = [
  'errors',
  'config',
  'clock',
  'keys',
  'canonical-email',
  'loopback',
  'private-files',
  'running-process',
  'sync-folder',
  'escape-html',
  'contract',
  'media-formats',
]

/** What each part of `src/` may import besides itself. */
const ALLOWED_IMPORTS: Record<string, string[]> = {
  main: ['app', 'interrupts', ...foundation],
  cli: ['domain', 'db', ...foundation],
  app: [
    ...['services', 'metrics', 'http', 'channels', 'views', 'infra'],
    ...['domain', 'realtime', 'db', ...foundation],
  ],
  client: ['account-keys', 'schemas'],
  'client-node': ['client', 'running-process', 'sync-folder'],
  'account-keys': [],
  metrics: ['realtime'],
  services: ['domain', 'db', ...foundation],
  http: [
    ...['services', 'views', 'topics', 'input', 'schemas', 'domain', 'realtime', 'protocol', 'account-keys'],
    ...foundation,
  ],
  channels: [
    ...['services', 'views', 'topics', 'input', 'schemas', 'domain', 'realtime', 'account-keys'],
    ...foundation,
  ],
  views: ['domain', ...foundation],
  infra: ['domain', 'realtime', ...foundation],
  domain: ['db', 'account-keys', ...foundation],
  realtime: ['protocol', 'clock'],
  db: foundation,
  protocol: [],
  topics: [],
  input: ['schemas', 'domain', 'protocol', 'account-keys', 'errors'],
  schemas: ['contract', 'media-formats'],
  errors: [],
  config: ['loopback', 'contract'],
  contract: [],
  'media-formats': [],
  clock: [],
  interrupts: ['clock'],
  keys: [],
  'canonical-email': [],
  loopback: [],
  'private-files': [],
  'running-process': [],
  'sync-folder': [],
  'escape-html': [],
}

/** The same for the folders of `src/realtime/`. Files that are in no folder may be imported by all, and import no folder. */
const ALLOWED_REALTIME_IMPORTS: Record<string, string[]> = {
  cluster: [],
  pubsub: ['cluster'],
  socket: ['pubsub', 'cluster'],
  longpoll: ['socket', 'cluster'],
  server: ['longpoll', 'socket', 'pubsub', 'cluster'],
}

/** The only files of `src/realtime/` that may import `ws`. */
const TRANSPORTS = ['realtime/socket/websocket.ts', 'realtime/socket/websocket-transport.ts']

/** The packages of the parts that also run in browsers. They import no others, and nothing of Node. */
const BROWSER_PACKAGES: Record<string, string[]> = {
  client: ['phoenix', 'jose'],
  'account-keys': ['jose'],
}

/** The only file of `src/client/` that reads types out of schemas. */
const CLIENT_TYPES = 'client/wire.ts'

/** The entry of the package `parley/channels`. */
const ENTRY = 'realtime/index.ts'

interface Import {
  from: string
  target: string
  typeOnly: boolean
}

it('follows the import rules', () => {
  expect(violations(sourceFiles())).toEqual([])
})

it('has no import cycles', () => {
  expect(cycles(sourceFiles())).toEqual([])
})

it('publishes an entry that reaches only itself, Node and ws', () => {
  const files = sourceFiles()
  const reached = new Set<string>()
  const outside = new Set<string>()
  const search = (path: string) => {
    if (reached.has(path)) return
    reached.add(path)
    for (const { target } of importsOf(path, files.get(path)!)) {
      if (target.startsWith('src/')) search(target.slice('src/'.length))
      else if (!target.startsWith('node:')) outside.add(target)
    }
  }
  search('realtime/index.ts')
  expect([...outside]).toEqual(['ws'])
  expect(new Set([...reached].map(partOf))).toEqual(new Set(['realtime', 'protocol', 'clock']))
})

it.each([
  ['domain/a.ts', `import { route } from '../http/routes/b.ts'`],
  ['protocol/a.ts', `import { Buffer } from 'node:buffer'`],
  ['realtime/a.ts', `import { AppError } from '../errors.ts'`],
  ['realtime/a.ts', `import type { FastifyInstance } from 'fastify'`],
  ['realtime/a.ts', `import type { WebSocket } from 'ws'`],
  ['channels/a.ts', `export * from '../db/queries/b.ts'`],
  ['http/a.ts', `const { SmtpMailer } = await import('../infra/smtp-mailer.ts')`],
  ['domain/x/a.ts', `import { readConfig } from '../../config/config.ts'`],
  ['views/a.ts', `import {\n  Messages,\n} from '../domain/messages.ts'`],
  ['domain/a.ts', `import { drizzle } from 'drizzle-orm/pglite'`],
  ['domain/a.ts', `const home = process.env.HOME`],
  ['realtime/pubsub/a.ts', `import type { Channel } from '../socket/channel.ts'`],
  ['realtime/cluster/a.ts', `import { PubSub } from '../pubsub/pubsub.ts'`],
  ['realtime/socket/a.ts', `import type { Pollable } from '../longpoll/poll-session.ts'`],
  ['realtime/a.ts', `import type { Nodes } from './cluster/nodes.ts'`],
  ['client/a.ts', `import { readFile } from 'node:fs/promises'`],
  ['client/a.ts', `import { ProfileSchema } from '../schemas/users.ts'`],
  ['account-keys/a.ts', `import { AppError } from '../errors.ts'`],
  ['realtime/socket/a.ts', `import { Refusal } from '../index.ts'`],
])('detects the violation in %s: %s', (path, text) => {
  expect(violations(new Map([[path, text]]))).toHaveLength(1)
})

it('finds import cycles, also of type-only imports and re-exports', () => {
  const files = new Map([
    ['domain/a.ts', `import type { B } from './x/b.ts'`],
    ['domain/x/b.ts', `export * from '../c.ts'`],
    ['domain/c.ts', `import { a } from './a.ts'\nimport { d } from './d.ts'`],
    ['domain/d.ts', `import { readFile } from 'node:fs'`],
    ['domain/e.ts', `import { c } from './c.ts'`],
  ])
  expect(cycles(files)).toEqual(['domain/a.ts → domain/x/b.ts → domain/c.ts → domain/a.ts'])
})

function violations(files: Map<string, string>): string[] {
  const imports = [...files].flatMap(([path, text]) => importsOf(path, text))
  const forbidden = imports.filter((one) => !isAllowed(one)).map(({ from, target }) => `${from} → ${target}`)
  const readers = [...files].filter(
    ([path, text]) => path !== 'config/config.ts' && /\bprocess\.env\b/.test(text),
  )
  return [...forbidden, ...readers.map(([path]) => `${path} → process.env`)]
}

function isAllowed({ from, target, typeOnly }: Import): boolean {
  const part = partOf(from)
  if (!target.startsWith('src/')) return isAllowedPackage({ from, target, typeOnly })
  const other = partOf(target.slice('src/'.length))
  if (other === part) return part !== 'realtime' || isAllowedInRealtime(from, target)
  if (other === 'config' && !['main', 'cli', 'app'].includes(part) && !typeOnly) return false
  if (other === 'domain' && part === 'views' && !typeOnly) return false
  if (other === 'schemas' && part === 'client' && !typeOnly) return false
  return ALLOWED_IMPORTS[part]?.includes(other) ?? false
}

function isAllowedInRealtime(from: string, target: string): boolean {
  const [folder, other] = [realtimeFolderOf(from), realtimeFolderOf(target.slice('src/'.length))]
  // The entry may import everything. Only other parts import it.
  if (from === ENTRY) return true
  if (target === `src/${ENTRY}`) return false
  return other === folder || other === '' || (ALLOWED_REALTIME_IMPORTS[folder]?.includes(other) ?? false)
}

/** The folder of a file in `realtime/`; empty for a file in none. */
function realtimeFolderOf(path: string): string {
  const [, folder = '', file] = path.split('/')
  return file === undefined ? '' : folder
}

/** The import cycles, each from the file at which the search enters it. */
function cycles(files: Map<string, string>): string[] {
  const found: string[] = []
  const visited = new Set<string>()
  const search = (path: string, ancestors: string[]) => {
    if (ancestors.includes(path)) {
      return void found.push([...ancestors.slice(ancestors.indexOf(path)), path].join(' → '))
    }
    if (visited.has(path)) return
    visited.add(path)
    for (const { target } of importsOf(path, files.get(path) ?? '')) {
      if (target.startsWith('src/')) search(target.slice('src/'.length), [...ancestors, path])
    }
  }
  for (const path of files.keys()) search(path, [])
  return found
}

function isAllowedPackage({ from, target: name, typeOnly }: Import): boolean {
  const part = partOf(from)
  if (part === 'protocol') return false
  if (part === 'realtime') {
    return (name === 'ws' && TRANSPORTS.includes(from)) || name.startsWith('node:')
  }
  if (from === CLIENT_TYPES && name === 'typebox') return typeOnly
  if (BROWSER_PACKAGES[part]) return BROWSER_PACKAGES[part].includes(name)
  const isDriver = /^(postgres|@electric-sql\/.+|drizzle-orm\/(pglite|postgres-js).*)$/.test(name)
  return !isDriver || part === 'db'
}

function partOf(path: string): string {
  return path.split('/')[0]!.replace(/\.ts$/, '')
}

function importsOf(path: string, text: string): Import[] {
  const statement =
    /^(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*['"`]([^'"`]+)['"`]\s*\)/gm
  return [...text.matchAll(statement)].map(([, type, fixed, dynamic]) => {
    const name = (fixed ?? dynamic)!
    const target = name.startsWith('.') ? join('src', dirname(path), name) : name
    return { from: path, target, typeOnly: type !== undefined }
  })
}

function sourceFiles(): Map<string, string> {
  const src = fileURLToPath(new URL('../src/', import.meta.url))
  const paths = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  return new Map(paths.map((path) => [path.replaceAll('\\', '/'), readFileSync(join(src, path), 'utf8')]))
}
