import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ConfigError, readConfig } from '../src/config.ts'

const SECRET = 'x'.repeat(32)

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

function problemsOf(env: NodeJS.ProcessEnv): string[] {
  try {
    readConfig({ SECRET_KEY_BASE: SECRET, VAULT_KEY: SECRET, ...env })
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('the configuration', () => {
  it('is complete with nothing set, and its secrets are made once', () => {
    const env = { DATA_DIR: temporaryFolder() }
    const config = readConfig(env)
    expect(config).toMatchObject({
      production: false,
      host: '127.0.0.1',
      port: 4000,
      publicUrl: 'http://localhost:4000',
      frontendUrl: 'http://localhost:3000',
      database: { kind: 'embedded' },
      mail: { kind: 'mailbox' },
      contract: 'documented',
      corsOrigins: '*',
      allowedOrigins: '*',
      rateLimits: true,
      limits: { maxChannels: 1000, maxFrameBytes: 262_144, maxBufferedBytes: 1_048_576 },
    })
    expect(config.secretKeyBase.length).toBeGreaterThanOrEqual(32)
    expect(readConfig(env)).toEqual(config)
  })

  it('names every bad variable in one error', () => {
    const problems = problemsOf({
      PORT: 'eighty',
      POOL_SIZE: '0',
      DATABASE_URL: 'mysql://localhost/x',
      CONTRACT: 'phoenix',
      RATE_LIMITS: 'no',
      PUBLIC_URL: 'example.com',
      FRONTEND_URL: 'ftp://example.com',
      SMTP_URL: 'http://example.com',
      FROM_EMAIL: 'nobody',
      CORS_ORIGINS: 'example.com',
      ALLOWED_ORIGINS: 'https://a.example.com/path',
      TRUST_PROXY: '10.0.0.0/33',
      MAX_CHANNELS: '-1',
      MAX_FRAME_BYTES: '1e3',
      MAX_BUFFERED_BYTES: '12 MB',
      LOG_LEVEL: 'loud',
      SECRET_KEY_BASE: 'short',
      VAULT_KEY: `${SECRET},short`,
    })
    const named = problems.map((problem) => problem.split(' ')[0])
    expect(named.sort()).toEqual(
      [
        'PORT POOL_SIZE DATABASE_URL CONTRACT RATE_LIMITS PUBLIC_URL FRONTEND_URL SMTP_URL FROM_EMAIL CORS_ORIGINS',
        'ALLOWED_ORIGINS TRUST_PROXY MAX_CHANNELS MAX_FRAME_BYTES MAX_BUFFERED_BYTES LOG_LEVEL SECRET_KEY_BASE VAULT_KEY',
      ]
        .join(' ')
        .split(' ')
        .sort(),
    )
  })

  it('takes a Redis for several nodes, which need the same database and secrets', () => {
    const REDIS_URL = 'redis://cache:6379'
    const DATABASE_URL = 'postgres://parley@db/parley'
    expect(readConfig({ SECRET_KEY_BASE: SECRET, VAULT_KEY: SECRET, REDIS_URL, DATABASE_URL }).redis).toEqual(
      {
        url: REDIS_URL,
        cluster: false,
      },
    )
    expect(
      readConfig({ SECRET_KEY_BASE: SECRET, VAULT_KEY: SECRET, REDIS_URL, DATABASE_URL, REDIS_CLUSTER: 'on' })
        .redis?.cluster,
    ).toBe(true)
    expect(problemsOf({ REDIS_URL, SECRET_KEY_BASE: '', VAULT_KEY: '' })).toEqual([
      'REDIS_URL needs DATABASE_URL: several nodes cannot share the embedded database.',
      'SECRET_KEY_BASE is required with REDIS_URL, the same for all nodes.',
      'VAULT_KEY is required with REDIS_URL, the same for all nodes.',
    ])
    expect(problemsOf({ REDIS_CLUSTER: 'on' })).toEqual(['REDIS_CLUSTER needs REDIS_URL.'])
    expect(problemsOf({ DATABASE_URL, REDIS_URL: 'http://cache' })).toEqual([
      'REDIS_URL must be a URL that starts with redis:// or rediss://.',
    ])
  })

  it('wants its address and secrets in production', () => {
    const problems = problemsOf({ NODE_ENV: 'production', SECRET_KEY_BASE: '', VAULT_KEY: '' })
    expect(problems).toEqual([
      'PUBLIC_URL is required in production.',
      'SECRET_KEY_BASE is required in production.',
      'VAULT_KEY is required in production.',
    ])
    const config = readConfig({
      NODE_ENV: 'production',
      PUBLIC_URL: 'https://chat.example.com/',
      SECRET_KEY_BASE: SECRET,
      VAULT_KEY: `${SECRET}, ${'y'.repeat(40)}`,
    })
    expect(config).toMatchObject({
      host: '0.0.0.0',
      publicUrl: 'https://chat.example.com',
      vaultSecrets: [SECRET, 'y'.repeat(40)],
      mail: { kind: 'none' },
    })
  })

  it('takes one way for letters to leave, not two', () => {
    expect(problemsOf({ SMTP_URL: 'smtp://localhost', RESEND_API_KEY: 're_1' })).toEqual([
      'RESEND_API_KEY, SMTP_URL are both set: set one, to say how letters leave.',
    ])
  })

  it('never repeats the value of a secret', () => {
    expect(problemsOf({ SECRET_KEY_BASE: 'my-short-secret', VAULT_KEY: 'another-one' }).join()).not.toMatch(
      /my-short|another/,
    )
  })

  it('refuses a kept secret that is damaged, instead of making another', () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'vault-key'), '')
    expect(() => readConfig({ DATA_DIR: folder })).toThrow(/vault-key is damaged/)
    expect(readFileSync(join(folder, 'vault-key'), 'utf8')).toBe('')
  })
})
