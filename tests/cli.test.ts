import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { dataFolder } from './support/data-folder.ts'
import { temporaryFolder } from './support/folder.ts'

const run = promisify(execFile)
const SECRETS = /^SECRET_KEY_BASE=[\w-]{64}\nVAULT_KEY=[\w-]{64}\n$/

/** Runs a command of `npm run`, as an operator does. */
function npm(script: string, env: Record<string, string> = {}) {
  return run('npm', ['run', '--silent', script], { env: { PATH: process.env.PATH, ...env } })
}

describe('npm run secrets', () => {
  it('prints two secrets, and nothing else, so that the output can be appended to a file', async () => {
    const [one, other] = await Promise.all([npm('secrets'), npm('secrets')])
    expect(one.stdout).toMatch(SECRETS)
    expect(other.stdout).toMatch(SECRETS)
    expect(other.stdout).not.toBe(one.stdout)
  })
})

describe('npm run migrate', () => {
  it('brings an embedded database up to date', async () => {
    const env = { DATA_DIR: dataFolder(), NODE_ENV: 'development' }
    expect((await npm('migrate', env)).stdout).toBe('The embedded database is up to date.\n')
  })

  it('prints the cause without a stack trace and exits with 1 if the database is unreachable', async () => {
    const env = { DATA_DIR: temporaryFolder(), DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }
    const { stderr, code } = await npm('migrate', env).catch((error) => error)
    expect(code).toBe(1)
    expect(stderr).toContain('ECONNREFUSED')
    expect(stderr).not.toMatch(/^\s+at /m)
  })
})
