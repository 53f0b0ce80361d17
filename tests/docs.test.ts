import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { AppError, type ErrorCode } from '../src/errors.ts'
import { describeTopics } from '../src/http/asyncapi/topics/index.ts'
import { CloseCode, ErrorReason, PollStatus, RefusalStatus } from '../src/realtime/index.ts'
import { chooseDialect } from '../src/views/dialect.ts'
import { ENDPOINTS } from './http/endpoints.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

describe('docs/configuration.md', () => {
  it('lists the variables that src/config/config.ts reads', () => {
    expect(documentedVariables()).toEqual(configuredVariables())
  })

  it('states the defaults of src/config/config.ts', () => {
    const config = read('src/config/config.ts')
    const integers = [...config.matchAll(/\.integer\('([A-Z_]+)', ([\d_]+)/g)]
    const choices = [...config.matchAll(/\.oneOf\('([A-Z_]+)', (?:\w+|\[[^\]]+\]), '(\w+)'\)/g)]
    expect(integers.length + choices.length).toBeGreaterThan(15)
    for (const [, name, fallback] of [...integers, ...choices]) {
      const row = variableRows().find(({ names }) => names.includes(name!))
      expect(row?.fallback, name).toBe(fallback!.replaceAll('_', ''))
    }
  })
})

describe('.env.example', () => {
  it('lists the variables that src/config/config.ts reads', () => {
    const named = [...read('.env.example').matchAll(/^#?([A-Z][A-Z_]+)=/gm)].map(([, name]) => name!)
    expect(named.sort()).toEqual(configuredVariables())
  })

  it('states the numeric defaults of docs/configuration.md', () => {
    const example = read('.env.example')
    for (const { names, fallback } of variableRows()) {
      if (/^\d+$/.test(fallback)) expect(example).toContain(`#${names[0]}=${fallback}\n`)
    }
  })
})

describe('docs/http.md', () => {
  const page = read('docs/http.md')

  it('lists exactly the endpoints of the API', () => {
    const rows = [...page.matchAll(/^\| `((?:GET|POST|PUT|PATCH|DELETE) \/(?:api|auth)\/[^`]*)` \|/gm)]
    const pages = /^GET \/api\/(schema|v1\/chat\/home)/
    const listed = new Set(rows.map(([, line]) => line!).filter((line) => !pages.test(line)))
    const served = ENDPOINTS.map(({ line }) => line).filter((line) => !pages.test(line))
    expect([...listed].sort()).toEqual(served.sort())
  })

  it('marks the endpoints that require an access token, outside of the steps of signing in', () => {
    const rows = [...page.matchAll(/^\| `([A-Z]+ \/(?:api|auth)\/[^`]*)` \| (✓?) ?\|/gm)]
    expect(rows.length).toBeGreaterThan(15)
    for (const [, line, mark] of rows) {
      const endpoint = ENDPOINTS.find((one) => one.line === line)
      if (endpoint && !line!.startsWith('POST /api/v1/user/')) {
        expect(endpoint.isPrivate, line).toBe(mark === '✓')
      }
    }
  })

  it('lists every error code beside its HTTP status', () => {
    const rows = [...page.matchAll(/^\| (\d{3}) \| [^|]+ \| ([^|]+) \|$/gm)]
    const listed = rows.flatMap(([, status, codes]) =>
      [...codes!.matchAll(/`(\w+)`/g)].map(([, code]) => ({ code: code!, status: Number(status) })),
    )
    const known = listed.filter(({ code }) => code !== 'internal_error')
    for (const { code, status } of known) expect(new AppError(code as ErrorCode).status, code).toBe(status)
    const defined = [...read('src/errors.ts').matchAll(/^ {2}(\w+): \[\s*\d{3},/gm)].map(([, code]) => code!)
    expect(known.map(({ code }) => code).sort()).toEqual(defined.sort())
  })
})

describe('docs/channels.md', () => {
  const page = read('docs/channels.md')
  /** The first two columns of a table, by the constant that its introduction names. */
  const table = (constant: string) => {
    const [rows = ''] = page.slice(page.indexOf(`\n\`${constant}\`, `)).match(/^\|[\s\S]*?(?=\n\n)/m) ?? []
    const cells = [...rows.matchAll(/^\| `?([^|`]+?)`? \| `(\w+)` \|/gm)]
    return cells.map(([, value, name]) => [name!, value!])
  }
  const entries = (codes: object) => Object.entries(codes).map(([name, value]) => [name, String(value)])

  it.each(Object.entries({ CloseCode, ErrorReason, RefusalStatus, PollStatus }))(
    'lists %s as the code defines it',
    (name, codes) => {
      expect(table(name)).toEqual(entries(codes))
    },
  )

  it('lists the options of limits with their defaults', () => {
    const source = read('src/realtime/server/channel-server.ts')
    const defaults = [...source.matchAll(/^const DEFAULT_(MAX_\w+) = ([\d_]+)/gm)]
    expect(defaults.length).toBe(3)
    for (const [, constant, value] of defaults) {
      const option = constant!.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
      expect(page).toContain(`| \`${option}\` | ${value!.replaceAll('_', '')} |`)
    }
  })
})

describe('docs/protocol.md', () => {
  it('lists the rules that events of conversations may break, as the AsyncAPI document does', () => {
    const [, rules = ''] = read('docs/protocol.md').split('\nRules:\n')
    const [table = ''] = rules.match(/^\|[\s\S]*?(?=\n\n)/m) ?? []
    const listed = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code!)
    const topics = describeTopics(chooseDialect('documented')).filter(({ key }) => key !== 'room')
    const codes = topics.flatMap(({ pushes }) => pushes.flatMap(({ errors }) => errors?.codes ?? []))
    const documented = new Set<string>(codes.filter((code) => code !== 'invalid_token'))
    expect(listed.sort()).toEqual([...documented].sort())
  })
})

describe('docs/architecture.md', () => {
  it('describes every folder of src', () => {
    const page = read('docs/architecture.md')
    const folders = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ parentPath, name }) => relative(root, join(parentPath, name)))
    expect(folders.filter((folder) => !page.includes(`\n| \`${folder}/\` |`))).toEqual([])
  })
})

describe.each(documents)('%s', (document) => {
  const text = read(document)

  it('has no broken links', () => {
    const links = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!)
    const inside = links.filter((target) => !/^[a-z]+:/.test(target))
    expect(inside.filter((target) => !resolves(document, target))).toEqual([])
  })

  it('names only files that exist', () => {
    const named = [...text.matchAll(/`((?:src|scripts|tests|docs|drizzle|\.ci)\/[\w./-]*)`/g)]
    const paths = named.map(([, path]) => path!)
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  it('has each paragraph and list item on one line', () => {
    const lines = withoutCode(text).split('\n')
    const isProse = (line: string | undefined) => line !== undefined && /^\s*[^\s|#<>]/.test(line)
    const startsItem = (line: string) => /^\s*([-*]|\d+\.) /.test(line)
    const wrapped = lines.filter((line, at) => isProse(line) && isProse(lines[at - 1]) && !startsItem(line))
    expect(wrapped).toEqual([])
  })

  it('runs only npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const commands = [...text.matchAll(/\bnpm run (?:-s |--silent )?([\w:]+)/g)].map(([, name]) => name!)
    expect(commands.filter((name) => !(name in scripts))).toEqual([])
  })
})

/** A variable that is only read to be rejected is not counted. */
function configuredVariables(): string[] {
  const config = read('src/config/config.ts')
  const all = [...config.matchAll(/\bread\.\w+\(\s*'([A-Z][A-Z_]+)'/g)].map(([, name]) => name!)
  const rejected = [...config.matchAll(/problem\('([A-Z_]+)', 'is not supported/g)].map(([, name]) => name!)
  return [...new Set(all)].filter((name) => !rejected.includes(name)).sort()
}

function documentedVariables(): string[] {
  return variableRows()
    .flatMap(({ names }) => names)
    .sort()
}

/** The rows of the tables of variables: the names in the first column, their default in the second. */
function variableRows(): { names: string[]; fallback: string }[] {
  const page = read('docs/configuration.md')
  const rows = [...page.matchAll(/^\| ((?:`[A-Z][A-Z_]+`[, ]*)+)\| ([^|]*)\|/gm)]
  return rows.map(([, names, fallback]) => ({
    names: [...names!.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name!),
    fallback: fallback!.replaceAll('`', '').trim(),
  }))
}

function resolves(document: string, target: string): boolean {
  const [path = '', anchor] = target.split('#')
  const file = path ? resolve(root, dirname(document), path) : join(root, document)
  if (!existsSync(file)) return false
  return anchor === undefined || headingsOf(readFileSync(file, 'utf8')).includes(anchor)
}

/** The anchors of a Markdown page, as GitHub generates them. */
function headingsOf(markdown: string): string[] {
  const headings = [...withoutCode(markdown).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!)
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function withoutCode(markdown: string): string {
  return markdown.replace(/^\s*```[\s\S]*?^\s*```/gm, '')
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}
