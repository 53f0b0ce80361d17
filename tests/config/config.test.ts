import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ConfigError, readConfig } from '../../src/config/config.ts'
import { maxConnectionsFor } from '../../src/config/environment.ts'

const SECRET = 'x'.repeat(32)
const RANDOM = randomBytes(24).toString('base64url')
const PRODUCTION = { NODE_ENV: 'production', PUBLIC_URL: 'https://chat.example' }

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
  it('has a default for every variable, and generates secrets once', () => {
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
      directory: 'everyone',
      corsOrigins: '*',
      allowedOrigins: '*',
      rateLimits: true,
      unconfirmed: 'full',
      sessionMaxAgeDays: 90,
      limits: {
        maxChannels: 1000,
        maxFrameBytes: 262_144,
        maxBufferedBytes: 1_048_576,
        maxConnectionsPerUser: 50,
      },
    })
    expect(config.secretKeyBase.length).toBeGreaterThanOrEqual(32)
    expect(readConfig(env)).toEqual(config)
  })

  it('reports all invalid variables in one error', () => {
    const problems = problemsOf({
      PORT: 'eighty',
      POOL_SIZE: '0',
      DATABASE_URL: 'mysql://localhost/x',
      CONTRACT: 'phoenix',
      DIRECTORY: 'nobody',
      RATE_LIMITS: 'no',
      UNCONFIRMED: 'none',
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
      MAX_CONNECTIONS: '0',
      MAX_CONNECTIONS_PER_USER: 'many',
      MAX_CONNECTIONS_PER_ADDRESS: '-1',
      LOG_LEVEL: 'loud',
      METRICS: 'some',
      DOCS: 'some',
      NODE_ENV: 'prod',
      SESSION_MAX_AGE: '90d',
      SECRET_KEY_BASE: 'short',
      VAULT_KEY: `${SECRET},short`,
    })
    const named = problems.map((problem) => problem.split(' ')[0])
    expect(named.sort()).toEqual(
      [
        'PORT POOL_SIZE DATABASE_URL CONTRACT DIRECTORY RATE_LIMITS UNCONFIRMED PUBLIC_URL FRONTEND_URL SMTP_URL FROM_EMAIL CORS_ORIGINS',
        'ALLOWED_ORIGINS TRUST_PROXY MAX_CHANNELS MAX_FRAME_BYTES MAX_BUFFERED_BYTES LOG_LEVEL SECRET_KEY_BASE VAULT_KEY',
        'MAX_CONNECTIONS MAX_CONNECTIONS_PER_USER MAX_CONNECTIONS_PER_ADDRESS',
        'METRICS DOCS NODE_ENV SESSION_MAX_AGE',
      ]
        .join(' ')
        .split(' ')
        .sort(),
    )
  })

  it('requires a shared database and shared secrets with REDIS_URL', () => {
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
      'REDIS_URL requires DATABASE_URL: several nodes cannot share the embedded database.',
      'SECRET_KEY_BASE is required with REDIS_URL, with the same value on all nodes.',
      'VAULT_KEY is required with REDIS_URL, with the same value on all nodes.',
    ])
    expect(problemsOf({ REDIS_CLUSTER: 'on' })).toEqual(['REDIS_CLUSTER requires REDIS_URL.'])
    expect(problemsOf({ DATABASE_URL, REDIS_URL: 'http://cache' })).toEqual([
      'REDIS_URL must be a URL that starts with redis:// or rediss://.',
    ])
  })

  it('requires PUBLIC_URL and secrets in production', () => {
    const problems = problemsOf({ NODE_ENV: 'production', SECRET_KEY_BASE: '', VAULT_KEY: '' })
    expect(problems).toEqual([
      'PUBLIC_URL is required in production.',
      'SECRET_KEY_BASE is required in production.',
      'VAULT_KEY is required in production.',
    ])
    const config = readConfig({
      NODE_ENV: 'production',
      PUBLIC_URL: 'https://chat.example.com/',
      SECRET_KEY_BASE: RANDOM,
      VAULT_KEY: `${RANDOM}, ${'y'.repeat(40)}`,
    })
    expect(config).toMatchObject({
      host: '0.0.0.0',
      publicUrl: 'https://chat.example.com',
      vaultSecrets: [RANDOM, 'y'.repeat(40)],
      mail: { kind: 'none' },
      metrics: { kind: 'off' },
      docs: false,
    })
  })

  it('reserves a part of the open files for other purposes than connections', () => {
    expect([256, 1_024, 20_000].map(maxConnectionsFor)).toEqual([64, 768, 18_000])
  })

  it('rejects guessable secrets in production', () => {
    const guessable = 'secret'.repeat(6)
    const problems = problemsOf({
      ...PRODUCTION,
      SECRET_KEY_BASE: guessable,
      VAULT_KEY: `${guessable},${RANDOM}`,
      METRICS: guessable,
    })
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'METRICS',
      'SECRET_KEY_BASE',
      'VAULT_KEY',
    ])
    expect(problems.join()).toContain('npm run secrets')
    expect(problems.join()).not.toContain(guessable)
    expect(problemsOf({ SECRET_KEY_BASE: guessable, VAULT_KEY: guessable, METRICS: guessable })).toEqual([])
  })

  it('accepts a guessable vault key that only decrypts', () => {
    const VAULT_KEY = `${RANDOM},${SECRET}`
    expect(problemsOf({ ...PRODUCTION, SECRET_KEY_BASE: RANDOM, VAULT_KEY })).toEqual([])
  })

  it('serves metrics to everybody, to nobody, or to bearers of a token', () => {
    const metricsOf = (METRICS: string) =>
      readConfig({ SECRET_KEY_BASE: SECRET, VAULT_KEY: SECRET, METRICS }).metrics
    expect(metricsOf('')).toEqual({ kind: 'on' })
    expect(metricsOf('off')).toEqual({ kind: 'off' })
    expect(metricsOf(RANDOM)).toEqual({ kind: 'token', token: RANDOM })
    for (const METRICS of ['yes', 'fifteen-emails', 'a token with a space']) {
      expect(problemsOf({ METRICS })).toEqual([
        'METRICS must be on, off, or a bearer token with at least 16 characters and no spaces.',
      ])
    }
  })

  it('has a development mailbox only if PUBLIC_URL is a loopback address', () => {
    const kindAt = (PUBLIC_URL: string) =>
      readConfig({ SECRET_KEY_BASE: SECRET, VAULT_KEY: SECRET, PUBLIC_URL }).mail.kind
    for (const host of ['localhost', 'parley.localhost', '127.0.0.1', '127.8.8.8', '[::1]'])
      expect(kindAt(`http://${host}:4000`)).toBe('mailbox')
    for (const host of ['chat.example', '10.0.0.1', 'localhost.example', '127.0.0.1.example', '[::2]'])
      expect(kindAt(`http://${host}:4000`)).toBe('none')
  })

  it('accepts three values of NODE_ENV', () => {
    for (const NODE_ENV of ['development', 'test', '']) expect(problemsOf({ NODE_ENV })).toEqual([])
    for (const NODE_ENV of ['prod', 'Production', 'staging']) {
      expect(problemsOf({ NODE_ENV })).toEqual(['NODE_ENV must be one of development, test, production.'])
    }
  })

  it('rejects two ways to send emails', () => {
    expect(problemsOf({ SMTP_URL: 'smtp://localhost', RESEND_API_KEY: 're_1' })).toEqual([
      'RESEND_API_KEY, SMTP_URL are both set: set the one to send emails with.',
    ])
  })

  it('never includes the value of a secret in an error', () => {
    expect(problemsOf({ SECRET_KEY_BASE: 'my-short-secret', VAULT_KEY: 'another-one' }).join()).not.toMatch(
      /my-short|another/,
    )
  })

  it('rejects a damaged stored secret instead of generating a new one', () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'vault-key'), '')
    expect(() => readConfig({ DATA_DIR: folder })).toThrow(/vault-key is damaged/)
    expect(readFileSync(join(folder, 'vault-key'), 'utf8')).toBe('')
  })
})
