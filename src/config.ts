import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ConfigError, EnvironmentReader } from './environment.ts'

export { ConfigError } from './environment.ts'

export type Contract = 'documented' | 'legacy'
export type MailConfig =
  | { kind: 'mailbox' }
  | { kind: 'smtp'; url: string }
  | { kind: 'resend'; apiKey: string }
  | { kind: 'none' }
export type DatabaseConfig =
  | { kind: 'embedded'; dir: string }
  | { kind: 'postgres'; url: string; poolSize: number }

/** The Redis through which the nodes of a deployment hear each other. */
export interface RedisConfig {
  url: string
  /** Whether the URL is that of a node of a Redis Cluster. */
  cluster: boolean
}

export interface Limits {
  /** Topics joined on one socket. */
  maxChannels: number
  /** Bytes of one frame a client may send on the multiplexed socket. */
  maxFrameBytes: number
  /** Bytes that may wait for a slow reader before it is dropped. */
  maxBufferedBytes: number
  /** Bytes of one image, sound or film. */
  maxMediaBytes: number
  /** Bytes of media one user may send within 24 hours. */
  maxMediaPerDay: number
}

/** An OpenID Connect provider to sign in with. */
export interface SocialConfig {
  clientId: string
  clientSecret: string
  issuer: string
}

/** Everything the environment decides, validated: a half-configured choice cannot be built. */
export interface Config {
  production: boolean
  host: string
  port: number
  publicUrl: string
  frontendUrl: string
  dataDir: string
  database: DatabaseConfig
  /** Null for a node that is alone. */
  redis: RedisConfig | null
  /** Signs tokens; at least 32 characters. */
  secretKeyBase: string
  /** Encrypt at rest: the first encrypts, all decrypt. */
  vaultSecrets: string[]
  mail: MailConfig
  fromEmail: string
  contract: Contract
  corsOrigins: '*' | string[]
  allowedOrigins: '*' | string[]
  /** CIDRs whose `X-Forwarded-*` is believed; empty: nobody's. */
  trustProxy: string[]
  rateLimits: boolean
  limits: Limits
  /** The name of this site in authenticator apps. */
  totpIssuer: string
  /** Sign-in with Google; null when it is not set up. */
  google: SocialConfig | null
  logLevel: LogLevel
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const SECRET_LENGTH = 32

/**
 * Reads the environment into a Config. In development, secrets that are not given are made once and kept in `DATA_DIR`.
 * @throws ConfigError naming every bad or missing variable.
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const read = new EnvironmentReader(env)
  const production = read.text('NODE_ENV') === 'production'
  const port = read.integer('PORT', 4000, 0, 65_535)
  const dataDir = resolve(read.text('DATA_DIR') ?? './data')
  const publicUrl = read.url('PUBLIC_URL', ['http:', 'https:']) ?? `http://localhost:${port}`
  if (production) read.require('in production', 'PUBLIC_URL', 'SECRET_KEY_BASE', 'VAULT_KEY')

  const config = {
    production,
    host: read.text('HOST') ?? (production ? '0.0.0.0' : '127.0.0.1'),
    port,
    publicUrl: publicUrl.replace(/\/+$/, ''),
    frontendUrl: (read.url('FRONTEND_URL', ['http:', 'https:']) ?? 'http://localhost:3000').replace(
      /\/+$/,
      '',
    ),
    dataDir,
    database: readDatabase(read, dataDir),
    redis: readRedis(read),
    mail: readMail(read, production),
    fromEmail: read.matching('FROM_EMAIL', /@/, 'an email address', 'parley@localhost'),
    contract: read.oneOf('CONTRACT', ['documented', 'legacy'], 'documented'),
    corsOrigins: read.origins('CORS_ORIGINS'),
    allowedOrigins: read.origins('ALLOWED_ORIGINS'),
    trustProxy: read.cidrs('TRUST_PROXY'),
    rateLimits: read.oneOf('RATE_LIMITS', ['on', 'off'], 'on') === 'on',
    limits: {
      maxChannels: read.integer('MAX_CHANNELS', 1000, 1, 1_000_000),
      maxFrameBytes: read.integer('MAX_FRAME_BYTES', 262_144, 1024, 67_108_864),
      maxBufferedBytes: read.integer('MAX_BUFFERED_BYTES', 1_048_576, 16_384, 1_073_741_824),
      maxMediaBytes: read.integer('MAX_MEDIA_BYTES', 26_214_400, 1024, 2_147_483_647),
      maxMediaPerDay: read.integer('MAX_MEDIA_PER_DAY', 1_073_741_824, 0, Number.MAX_SAFE_INTEGER),
    },
    totpIssuer: read.matching(
      'TOTP_ISSUER',
      /^[^:]{1,64}$/,
      'at most 64 characters without a colon',
      'Parley',
    ),
    google: readGoogle(read),
    logLevel: read.oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    ...readSecrets(read),
  }
  read.finish()
  return { ...config, ...makeDevelopmentSecrets(config) }
}

function readDatabase(read: EnvironmentReader, dataDir: string): DatabaseConfig {
  const url = read.url('DATABASE_URL', ['postgres:', 'postgresql:'])
  const poolSize = read.integer('POOL_SIZE', 10, 1, 1000)
  return url ? { kind: 'postgres', url, poolSize } : { kind: 'embedded', dir: join(dataDir, 'database') }
}

function readRedis(read: EnvironmentReader): RedisConfig | null {
  const url = read.url('REDIS_URL', ['redis:', 'rediss:'])
  const cluster = read.oneOf('REDIS_CLUSTER', ['on', 'off'], 'off') === 'on'
  if (!url) {
    if (cluster) read.problem('REDIS_CLUSTER', 'needs REDIS_URL')
    return null
  }
  if (!read.text('DATABASE_URL')) {
    read.problem('REDIS_URL', 'needs DATABASE_URL: several nodes cannot share the embedded database')
  }
  read.require('with REDIS_URL, the same for all nodes', 'SECRET_KEY_BASE', 'VAULT_KEY')
  return { url, cluster }
}

function readMail(read: EnvironmentReader, production: boolean): MailConfig {
  const apiKey = read.text('RESEND_API_KEY')
  const url = read.url('SMTP_URL', ['smtp:', 'smtps:'])
  if (apiKey && url)
    read.problem('RESEND_API_KEY, SMTP_URL', 'are both set: set one, to say how letters leave')
  if (apiKey) return { kind: 'resend', apiKey }
  if (url) return { kind: 'smtp', url }
  return { kind: production ? 'none' : 'mailbox' }
}

function readGoogle(read: EnvironmentReader): SocialConfig | null {
  const clientId = read.text('GOOGLE_CLIENT_ID')
  const clientSecret = read.text('GOOGLE_CLIENT_SECRET')
  const issuer = read.url('GOOGLE_ISSUER', ['http:', 'https:']) ?? 'https://accounts.google.com'
  if (clientId && clientSecret) return { clientId, clientSecret, issuer }
  if (clientId || clientSecret)
    read.problem('GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET', 'must be set both or not at all')
  return null
}

function readSecrets(read: EnvironmentReader): { secretKeyBase: string; vaultSecrets: string[] } {
  const secretKeyBase = read.text('SECRET_KEY_BASE') ?? ''
  if (secretKeyBase && secretKeyBase.length < SECRET_LENGTH) {
    read.problem('SECRET_KEY_BASE', `must have ${SECRET_LENGTH} characters or more`)
  }
  const vaultSecrets = read.list('VAULT_KEY')
  if (vaultSecrets.some((secret) => secret.length < SECRET_LENGTH)) {
    read.problem('VAULT_KEY', `must be secrets of ${SECRET_LENGTH} characters or more, separated by commas`)
  }
  return { secretKeyBase, vaultSecrets }
}

/** Production never reaches the making: both secrets are required there. */
function makeDevelopmentSecrets(config: Pick<Config, 'dataDir' | 'secretKeyBase' | 'vaultSecrets'>) {
  return {
    secretKeyBase: config.secretKeyBase || keptSecret(config.dataDir, 'secret-key-base'),
    vaultSecrets: config.vaultSecrets.length
      ? config.vaultSecrets
      : [keptSecret(config.dataDir, 'vault-key')],
  }
}

function keptSecret(dataDir: string, name: string): string {
  const file = join(dataDir, name)
  try {
    mkdirSync(dataDir, { recursive: true })
    // `wx` lets exactly one of two processes that start together make the secret.
    writeFileSync(file, randomBytes(48).toString('base64url'), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new ConfigError([`DATA_DIR ${dataDir} cannot be written: ${(error as Error).message}`])
    }
  }
  const secret = readFileSync(file, 'utf8').trim()
  if (secret.length < SECRET_LENGTH) {
    throw new ConfigError([`${file} is damaged: restore it, or delete it if nothing was encrypted with it`])
  }
  return secret
}
