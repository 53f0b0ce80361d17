import { readdirSync, readFileSync } from 'node:fs'
import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

/** The tests of random and repeated inputs, at full length: `npm run test:stress`. */
export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  defineConfig({ test: { include: testsWithRounds(), env: { STRESS: '1' }, testTimeout: 1_200_000 } }),
)

/** The tests that use `rounds` of `tests/support/stress.ts`. */
function testsWithRounds(): string[] {
  const paths = readdirSync('tests', { recursive: true, encoding: 'utf8' }).map((path) => `tests/${path}`)
  return paths.filter(
    (path) => path.endsWith('.test.ts') && readFileSync(path, 'utf8').includes('/support/stress.ts'),
  )
}
