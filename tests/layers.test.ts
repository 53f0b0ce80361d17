import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const foundation = ['errors', 'config', 'clock', 'keys']

/** The import law: each part of `src/`, and the parts it may know besides itself. */
const LAW: Record<string, string[]> = {
  main: ['app', ...foundation],
  app: [
    ...['services', 'metrics', 'http', 'channels', 'views', 'infra'],
    ...['domain', 'realtime', 'db', ...foundation],
  ],
  metrics: ['realtime'],
  services: ['domain', 'db', ...foundation],
  http: ['services', 'views', 'validation', 'domain', 'realtime', ...foundation],
  channels: ['services', 'views', 'validation', 'domain', 'realtime', ...foundation],
  views: ['domain', ...foundation],
  infra: ['domain', 'realtime', ...foundation],
  domain: ['db', ...foundation],
  realtime: ['protocol', 'clock'],
  db: foundation,
  protocol: [],
  validation: ['errors'],
  errors: [],
  config: ['environment'],
  environment: [],
  clock: [],
  keys: [],
}

const TRANSPORTS = ['websocket', 'websocket-wire', 'longpoll'].map((name) => `realtime/${name}.ts`)

interface Import {
  from: string
  target: string
  typeOnly: boolean
}

it('keeps the import law', () => {
  expect(violations(sourceFiles())).toEqual([])
})

it.each([
  ['domain/a.ts', `import { route } from '../http/routes/b.ts'`],
  ['protocol/a.ts', `import { Buffer } from 'node:buffer'`],
  ['realtime/a.ts', `import { AppError } from '../errors.ts'`],
  ['realtime/a.ts', `import type { FastifyInstance } from 'fastify'`],
  ['channels/a.ts', `export * from '../db/queries/b.ts'`],
  ['http/a.ts', `const { SmtpMailer } = await import('../infra/smtp-mailer.ts')`],
  ['domain/a.ts', `import { readConfig } from '../config.ts'`],
  ['views/a.ts', `import {\n  Messages,\n} from '../domain/messages.ts'`],
  ['domain/a.ts', `import { drizzle } from 'drizzle-orm/pglite'`],
  ['domain/a.ts', `const home = process.env.HOME`],
])('finds the broken law in %s: %s', (path, text) => {
  expect(violations(new Map([[path, text]]))).toHaveLength(1)
})

function violations(files: Map<string, string>): string[] {
  const imports = [...files].flatMap(([path, text]) => importsOf(path, text))
  const lawless = imports.filter((one) => !isLawful(one)).map(({ from, target }) => `${from} → ${target}`)
  const readers = [...files].filter(([path, text]) => path !== 'config.ts' && /\bprocess\.env\b/.test(text))
  return [...lawless, ...readers.map(([path]) => `${path} → process.env`)]
}

function isLawful({ from, target, typeOnly }: Import): boolean {
  const part = partOf(from)
  if (!target.startsWith('src/')) return isLawfulPackage(from, target, typeOnly)
  const other = partOf(target.slice('src/'.length))
  if (other === part) return true
  if (other === 'config' && !['main', 'app'].includes(part) && !typeOnly) return false
  if (other === 'domain' && part === 'views' && !typeOnly) return false
  return LAW[part]?.includes(other) ?? false
}

function isLawfulPackage(from: string, name: string, typeOnly: boolean): boolean {
  const part = partOf(from)
  if (part === 'protocol') return false
  if (part === 'realtime') {
    // Where sockets come from is Fastify's business too: only these files know it.
    const isPlugin = TRANSPORTS.includes(from) && (name === 'ws' || typeOnly)
    return isPlugin || name.startsWith('node:')
  }
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
