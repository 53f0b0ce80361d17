import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

it('docs/phoenix-tests.md claims nothing to be the same without a test of that name', () => {
  const folder = `${root}tests/phoenix/`
  const files = readdirSync(folder).filter((name) => name.endsWith('.test.ts'))
  const tests = files.map((name) => readFileSync(folder + name, 'utf8')).join('\n')
  const page = readFileSync(`${root}docs/phoenix-tests.md`, 'utf8')
  const rows = [...page.matchAll(/^\| (?:[^|]*: )?([^|:]+) \| same \| ([^|]*)\|$/gm)]
  expect(rows.length).toBeGreaterThan(130)
  const unnamed = rows.filter(([, name, note]) => !note!.trim() && !tests.includes(name!))
  expect(unnamed.map(([, name]) => name)).toEqual([])
})
