import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const FOLDER = 'tests/client'
/** Names in the table that are calls and options of the client. */
const CALLS = new Set(['with', 'verify', 'forget', 'unlock', 'allowUnsigned'])

it('documents of each attack by a malicious server only what a test asserts', () => {
  const [, section = ''] =
    /### A malicious server\n([\s\S]*?)\n## /.exec(readFileSync('docs/client.md', 'utf8')) ?? []
  const rows = section.split('\n').filter((line) => line.startsWith('| '))
  expect(rows.length).toBeGreaterThan(20)
  const named = rows.flatMap((row) => [...row.matchAll(/`(\w+)`/g)].map(([, code]) => code!))
  const tests = readdirSync(FOLDER).filter((name) => name.startsWith('malicious-'))
  const source = tests.map((name) => readFileSync(`${FOLDER}/${name}`, 'utf8')).join('\n')
  expect(named.filter((code) => !CALLS.has(code) && !source.includes(`'${code}'`))).toEqual([])
})
