import { join, resolve } from 'node:path'
import type { Contract } from '../contract.ts'
import { isLoopbackUrl } from '../loopback.ts'
import { EnvironmentReader, maxConnectionsFor, openFilesLimit } from './environment.ts'
import { isGuessable } from './secret-strength.ts'
import { MIN_SECRET_LENGTH, withStoredSecrets } from './stored-secrets.ts'

export type { Contract } from '../contract.ts'
export { ConfigError } from './environment.ts'

/** Which users the user list contains: all, or only those who share a conversation or room with the reader. */
export type Directory = 'everyone' | 'members'
/** Which private keys of conversations are accepted: all, or only those that their client encrypted. */
export type PrivateKeys = 'any' | 'locked'
/** What an account may do before its email address is confirmed. */
export type UnconfirmedMode = 'full' | 'limited'
/** The development mailbox shows sign-in links, so it is only available if PUBLIC_URL is a loopback address. */
export type MailConfig =
  | { kind: 'mailbox' }
  | { kind: 'smtp'; url: string }
  | { kind: 'resend'; apiKey: string }
  | { kind: 'none' }
export type DatabaseConfig =
  | { kind: 'embedded'; dir: string }
  | { kind: 'postgres'; url: string; poolSize: number }

/** Who may read `/metrics`. */
export type MetricsConfig = { kind: 'off' } | { kind: 'on' } | { kind: 'token'; token: string }

/** The Redis server that connects the nodes of a deployment. */
export interface RedisConfig {
  url: string
  /** Whether the server is a node of a Redis Cluster. */
  cluster: boolean
}

export interface Limits {
  /** Topics joined on one socket. */
  maxChannels: number
  /** Size of a frame that a client may send on the multiplexed socket, in bytes. */
  maxFrameBytes: number
  /** Bytes buffered for a slow consumer before it is disconnected. */
  maxBufferedBytes: number
  /** Size of one image, audio or video, in bytes. */
  maxMediaBytes: number
  /** Bytes of media per user within 24 hours. */
  maxMediaPerDay: number
  /** Size of one attachment of a conversation, in bytes. */
  maxAttachmentBytes: number
  /** Bytes of attachments per user within 24 hours. */
  maxAttachmentsPerDay: number
  /** Sockets and long-polling sessions of this node. */
  maxConnections: number
  maxConnectionsPerUser: number
  maxConnectionsPerAddress: number
}

/** An OpenID Connect provider to sign in with. */
export interface SocialConfig {
  clientId: string
  clientSecret: string
  issuer: string
}

/** The validated configuration. Alternatives are unions, so that a choice is complete. */
export interface Config {
  production: boolean
  host: string
  port: number
  publicUrl: string
  frontendUrl: string
  dataDir: string
  database: DatabaseConfig
  /** Null for a single node. */
  redis: RedisConfig | null
  /** Signs tokens. At least 32 characters. */
  secretKeyBase: string
  /** Encrypt secrets in the database: the first one encrypts, all of them decrypt. */
  vaultSecrets: string[]
  mail: MailConfig
  fromEmail: string
  contract: Contract
  directory: Directory
  corsOrigins: '*' | string[]
  allowedOrigins: '*' | string[]
  /** CIDRs of the proxies whose `X-Forwarded-*` headers are trusted. */
  trustProxy: string[]
  rateLimits: boolean
  unconfirmed: UnconfirmedMode
  privateKeys: PrivateKeys
  limits: Limits
  /** Days after which a session ends, even if it is refreshed. */
  sessionMaxAgeDays: number
  /** The name of this site in authenticator apps. */
  totpIssuer: string
  /** Sign-in with Google; null if not configured. */
  google: SocialConfig | null
  metrics: MetricsConfig
  /** Whether `/docs` and `/api/schema` are served. */
  docs: boolean
  logLevel: LogLevel
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const ENVIRONMENTS = ['development', 'test', 'production'] as const
const METRICS_TOKEN = /^[\x21-\x7e]{16,}$/
const GUESSABLE =
  'is guessable: it is repetitive or contains common words. Generate one with `npm run secrets`'

/**
 * Reads the configuration from the environment. In development, missing secrets are generated once and stored in `DATA_DIR`.
 * @throws ConfigError with all invalid and missing variables.
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const read = new EnvironmentReader(env)
  const production = read.oneOf('NODE_ENV', ENVIRONMENTS, 'development') === 'production'
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
    mail: readMail(read, !production && isLoopbackUrl(publicUrl)),
    fromEmail: read.matching('FROM_EMAIL', /@/, 'an email address', 'parley@localhost'),
    contract: read.oneOf('CONTRACT', ['documented', 'legacy'], 'documented'),
    directory: read.oneOf('DIRECTORY', ['everyone', 'members'], 'everyone'),
    corsOrigins: read.origins('CORS_ORIGINS'),
    allowedOrigins: read.origins('ALLOWED_ORIGINS'),
    trustProxy: read.cidrs('TRUST_PROXY'),
    rateLimits: read.oneOf('RATE_LIMITS', ['on', 'off'], 'on') === 'on',
    unconfirmed: read.oneOf('UNCONFIRMED', ['full', 'limited'], 'full'),
    privateKeys: read.oneOf('PRIVATE_KEYS', ['any', 'locked'], 'any'),
    limits: {
      maxChannels: read.integer('MAX_CHANNELS', 1000, 1, 1_000_000),
      maxFrameBytes: read.integer('MAX_FRAME_BYTES', 262_144, 1024, 67_108_864),
      maxBufferedBytes: read.integer('MAX_BUFFERED_BYTES', 1_048_576, 16_384, 1_073_741_824),
      maxMediaBytes: read.integer('MAX_MEDIA_BYTES', 26_214_400, 1024, 2_147_483_647),
      maxMediaPerDay: read.integer('MAX_MEDIA_PER_DAY', 1_073_741_824, 0, Number.MAX_SAFE_INTEGER),
      maxAttachmentBytes: read.integer('MAX_ATTACHMENT_BYTES', 1_075_838_976, 1024, Number.MAX_SAFE_INTEGER),
      maxAttachmentsPerDay: read.integer(
        'MAX_ATTACHMENTS_PER_DAY',
        4_294_967_296,
        0,
        Number.MAX_SAFE_INTEGER,
      ),
      maxConnections: read.integer('MAX_CONNECTIONS', maxConnectionsFor(openFilesLimit()), 1, 10_000_000),
      maxConnectionsPerUser: read.integer('MAX_CONNECTIONS_PER_USER', 50, 1, 10_000_000),
      maxConnectionsPerAddress: read.integer('MAX_CONNECTIONS_PER_ADDRESS', 1_000, 1, 10_000_000),
    },
    sessionMaxAgeDays: read.integer('SESSION_MAX_AGE', 90, 1, 3650),
    totpIssuer: read.matching(
      'TOTP_ISSUER',
      /^[^:]{1,64}$/,
      'at most 64 characters without a colon',
      'Parley',
    ),
    google: readGoogle(read),
    metrics: readMetrics(read, production),
    docs: read.oneOf('DOCS', ['on', 'off'], production ? 'off' : 'on') === 'on',
    logLevel: read.oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
    ...readSecrets(read, production),
  }
  read.finish()
  return { ...config, ...withStoredSecrets(config) }
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
    if (cluster) read.problem('REDIS_CLUSTER', 'requires REDIS_URL')
    return null
  }
  if (!read.text('DATABASE_URL')) {
    read.problem('REDIS_URL', 'requires DATABASE_URL: several nodes cannot share the embedded database')
  }
  read.require('with REDIS_URL, with the same value on all nodes', 'SECRET_KEY_BASE', 'VAULT_KEY')
  return { url, cluster }
}

function readMail(read: EnvironmentReader, mayHaveMailbox: boolean): MailConfig {
  const apiKey = read.text('RESEND_API_KEY')
  const url = read.url('SMTP_URL', ['smtp:', 'smtps:'])
  if (apiKey && url) read.problem('RESEND_API_KEY, SMTP_URL', 'are both set: set the one to send emails with')
  if (apiKey) return { kind: 'resend', apiKey }
  if (url) return { kind: 'smtp', url }
  return { kind: mayHaveMailbox ? 'mailbox' : 'none' }
}

function readGoogle(read: EnvironmentReader): SocialConfig | null {
  const clientId = read.text('GOOGLE_CLIENT_ID')
  const clientSecret = read.text('GOOGLE_CLIENT_SECRET')
  const issuer = read.url('GOOGLE_ISSUER', ['http:', 'https:']) ?? 'https://accounts.google.com'
  if (clientId && clientSecret) return { clientId, clientSecret, issuer }
  if (clientId || clientSecret) read.problem('GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET', 'must be set together')
  return null
}

function readMetrics(read: EnvironmentReader, production: boolean): MetricsConfig {
  const text = read.text('METRICS') ?? (production ? 'off' : 'on')
  if (text === 'on' || text === 'off') return { kind: text }
  if (!METRICS_TOKEN.test(text)) {
    read.problem('METRICS', 'must be on, off, or a bearer token with at least 16 characters and no spaces')
  } else if (production && isGuessable(text)) {
    read.problem('METRICS', GUESSABLE)
  }
  return { kind: 'token', token: text }
}

function readSecrets(
  read: EnvironmentReader,
  production: boolean,
): { secretKeyBase: string; vaultSecrets: string[] } {
  const secretKeyBase = read.text('SECRET_KEY_BASE') ?? ''
  if (secretKeyBase && secretKeyBase.length < MIN_SECRET_LENGTH) {
    read.problem(
      'SECRET_KEY_BASE',
      `must have at least ${MIN_SECRET_LENGTH} characters. Generate one with \`npm run secrets\``,
    )
  } else if (production && secretKeyBase && isGuessable(secretKeyBase)) {
    read.problem('SECRET_KEY_BASE', GUESSABLE)
  }
  const vaultSecrets = read.list('VAULT_KEY')
  if (vaultSecrets.some((secret) => secret.length < MIN_SECRET_LENGTH)) {
    read.problem(
      'VAULT_KEY',
      `must be a comma-separated list of secrets with at least ${MIN_SECRET_LENGTH} characters`,
    )
  } else if (production && vaultSecrets[0] && isGuessable(vaultSecrets[0])) {
    // Only the first one encrypts. Guessable ones may still be needed to decrypt.
    read.problem('VAULT_KEY', `${GUESSABLE}, put it first and keep the others`)
  }
  return { secretKeyBase, vaultSecrets }
}
