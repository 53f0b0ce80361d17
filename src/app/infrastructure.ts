import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { type Clock, systemClock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Database } from '../db/database.ts'
import { openDatabase } from '../db/open-database.ts'
import type { IdentityProvider } from '../domain/accounts/identity-provider.ts'
import type { Mailer } from '../domain/mail/mail-worker.ts'
import type { MediaStore } from '../domain/media/media-store.ts'
import { Passwords } from '../domain/passwords/passwords.ts'
import type { SharedCounter } from '../domain/security/hit-counter.ts'
import { logSerializers, redactedPaths } from '../http/logging.ts'
import { socialCallbackPath } from '../http/routes/whisper/social.ts'
import { DevMailbox } from '../infra/dev-mailbox.ts'
import { DiskMedia } from '../infra/disk-media.ts'
import { OpenIdProvider } from '../infra/openid-provider.ts'
import { RedisBackplane } from '../infra/redis-backplane.ts'
import { RedisCounter } from '../infra/redis-counter.ts'
import { ResendMailer } from '../infra/resend-mailer.ts'
import { SmtpMailer } from '../infra/smtp-mailer.ts'
import { deriveKey } from '../keys.ts'
import { secureDataDir } from '../private-files.ts'
import type { Backplane } from '../realtime/cluster/backplane.ts'
import { SingleNodeBackplane } from '../realtime/cluster/single-node-backplane.ts'

/** The outside world as the configuration chooses it. */
export interface Infrastructure {
  clock: Clock
  logger: Logger
  database: Database
  /** The connection to the other nodes. */
  backplane: Backplane
  /** Counts over all nodes; undefined on a single node. */
  sharedCounter: SharedCounter | undefined
  /** Undefined when emails are stored but not sent. */
  mailer: Mailer | undefined
  mediaStore: MediaStore
  /** Hashes passwords; tests lower its cost. */
  passwords: Passwords
  /** By their names in URLs; null when not configured. */
  identityProviders: Map<string, IdentityProvider | null>
}

/** Replaces parts of the infrastructure in tests. */
export type Overrides = Partial<
  Pick<Infrastructure, 'clock' | 'logger' | 'database' | 'backplane' | 'mediaStore' | 'passwords'>
>

const GOOGLE = 'google-oauth2'

/**
 * Chooses the implementations, and opens the database and the backplane. No other place names an implementation.
 * @throws when the database or Redis cannot be reached.
 */
export async function openInfrastructure(config: Config, overrides: Overrides): Promise<Infrastructure> {
  const clock = overrides.clock ?? systemClock
  const logger = overrides.logger ?? createLogger(config)
  secureDataDir(config.dataDir, logger)
  const database = overrides.database ?? (await openDatabase(config.database))
  try {
    const backplane = overrides.backplane ?? (await connectBackplane(config, logger))
    return {
      clock,
      logger,
      database,
      backplane,
      sharedCounter: backplane instanceof RedisBackplane ? new RedisCounter(backplane) : undefined,
      mailer: createMailer(config, clock),
      mediaStore: overrides.mediaStore ?? new DiskMedia(join(config.dataDir, 'media')),
      passwords: overrides.passwords ?? new Passwords(),
      identityProviders: new Map([[GOOGLE, createGoogleProvider(config, clock, logger)]]),
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Closes the database and the backplane. */
export async function closeInfrastructure({ backplane, database }: Infrastructure): Promise<void> {
  await Promise.all([backplane.close(), database.close()])
}

function createLogger({ logLevel }: Config): Logger {
  return pino({ level: logLevel, serializers: logSerializers, redact: { paths: redactedPaths } })
}

async function connectBackplane({ redis, secretKeyBase }: Config, log: Logger): Promise<Backplane> {
  if (!redis) return new SingleNodeBackplane()
  // Only nodes with the same secret belong to the same deployment.
  const namespace = createHash('sha256').update(`nodes ${secretKeyBase}`).digest('base64url').slice(0, 8)
  const key = deriveKey(secretKeyBase, 'messages between nodes')
  return RedisBackplane.connect({ ...redis, namespace, key, log })
}

function createMailer({ mail, fromEmail: from }: Config, clock: Clock): Mailer | undefined {
  switch (mail.kind) {
    case 'mailbox':
      return new DevMailbox(clock)
    case 'smtp':
      return new SmtpMailer({ url: mail.url, from })
    case 'resend':
      return new ResendMailer({ apiKey: mail.apiKey, from })
    case 'none':
      return undefined
  }
}

function createGoogleProvider({ google, publicUrl }: Config, clock: Clock, log: Logger) {
  if (!google) return null
  const redirectUri = publicUrl + socialCallbackPath(GOOGLE)
  return new OpenIdProvider({ ...google, redirectUri, clock, log })
}
