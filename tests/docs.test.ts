import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

describe('the variables', () => {
  it('are the same in src/config.ts and the table of the README', () => {
    expect(variablesOfReadme()).toEqual(variablesOfConfig())
  })

  it('are the same in src/config.ts and .env.example', () => {
    const named = [...read('.env.example').matchAll(/^#?([A-Z][A-Z_]+)=/gm)].map(([, name]) => name!)
    expect(named.sort()).toEqual(variablesOfConfig())
  })

  it('have in the README the default they have in src/config.ts', () => {
    const integers = read('src/config.ts').matchAll(/\.integer\('([A-Z_]+)', ([\d_]+)/g)
    for (const [, name, fallback] of integers) {
      const row = readmeRows().find(({ names }) => names.includes(name!))
      expect(row?.fallback, name).toBe(fallback!.replaceAll('_', ''))
    }
  })
})

describe.each(documents)('%s', (document) => {
  it('links only to what is there', () => {
    const links = [...withoutCode(read(document)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!)
    const inside = links.filter((target) => !/^[a-z]+:/.test(target))
    expect(inside.filter((target) => !resolves(document, target))).toEqual([])
  })

  it('names only files that are there', () => {
    const named = [...read(document).matchAll(/`((?:src|scripts|tests|docs|drizzle)\/[\w./-]*)`/g)]
    const paths = named.map(([, path]) => path!)
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })
})

/** A variable that is only read to be refused is not one yet. */
function variablesOfConfig(): string[] {
  const config = read('src/config.ts')
  const all = [...config.matchAll(/\bread\.\w+\(\s*'([A-Z][A-Z_]+)'/g)].map(([, name]) => name!)
  const refused = [...config.matchAll(/problem\('([A-Z_]+)', 'is not supported/g)].map(([, name]) => name!)
  return [...new Set(all)].filter((name) => !refused.includes(name)).sort()
}

function variablesOfReadme(): string[] {
  return readmeRows()
    .flatMap(({ names }) => names)
    .sort()
}

/** The rows of the README's configuration table: one variable each, its default in the second column. */
function readmeRows(): { names: string[]; fallback: string }[] {
  const rows = [...read('README.md').matchAll(/^\| ((?:`[A-Z][A-Z_]+`[, ]*)+)\| ([^|]*)\|/gm)]
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

/** The anchors that a Markdown page offers, as GitHub makes them. */
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
  return markdown.replace(/^```[\s\S]*?^```/gm, '')
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}
