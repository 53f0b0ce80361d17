import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { type Clock, systemClock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Database } from '../db/database.ts'
import { openDatabase } from '../db/open-database.ts'
import type { IdentityProvider } from '../domain/accounts/identity-provider.ts'
import type { AttachmentStore } from '../domain/attachments/attachment-store.ts'
import type { Mailer } from '../domain/mail/mail-worker.ts'
import type { MediaStore } from '../domain/media/media-store.ts'
import { Passwords } from '../domain/passwords/passwords.ts'
import type { SharedCounter } from '../domain/security/hit-counter.ts'
import { logSerializers, redactedPaths } from '../http/logging.ts'
import { socialCallbackPath } from '../http/routes/whisper/social.ts'
import { DevMailbox } from '../infra/dev-mailbox.ts'
import { DiskAttachments } from '../infra/disk-attachments.ts'
import { DiskMedia } from '../infra/disk-media.ts'
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
  /** Counts over all nodes; absent on a single node. */
  sharedCounter?: SharedCounter
  /** Undefined when emails are stored but not sent. */
  mailer: Mailer | undefined
  mediaStore: MediaStore
  attachmentStore: AttachmentStore
  /** Hashes passwords; tests lower its cost. */
  passwords: Passwords
  /** By their names in URLs; null when not configured. */
  identityProviders: Map<string, IdentityProvider | null>
}

/** Replaces parts of the infrastructure in tests. */
export type Overrides = Partial<
  Pick<
    Infrastructure,
    'clock' | 'logger' | 'database' | 'backplane' | 'mediaStore' | 'attachmentStore' | 'passwords'
  >
>

const GOOGLE = 'google-oauth2'

/**
 * Chooses the implementations, and opens the database and the backplane. No other place names an implementation. Those with large
 * dependencies are loaded when they are configured, which keeps starts short.
 * @throws when the database or Redis cannot be reached.
 */
export async function openInfrastructure(config: Config, overrides: Overrides): Promise<Infrastructure> {
  const clock = overrides.clock ?? systemClock
  const logger = overrides.logger ?? createLogger(config)
  secureDataDir(config.dataDir, logger)
  const database = overrides.database ?? (await openDatabase(config.database, (line) => logger.info(line)))
  try {
    const mailer = await createMailer(config, clock)
    const google = await createGoogleProvider(config, clock, logger)
    const nodes = overrides.backplane
      ? { backplane: overrides.backplane }
      : await connectNodes(config, logger)
    return {
      clock,
      logger,
      database,
      ...nodes,
      mailer,
      mediaStore: overrides.mediaStore ?? new DiskMedia(join(config.dataDir, 'media')),
      attachmentStore: overrides.attachmentStore ?? new DiskAttachments(join(config.dataDir, 'attachments')),
      passwords: overrides.passwords ?? new Passwords(),
      identityProviders: new Map([[GOOGLE, google]]),
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

type Nodes = Pick<Infrastructure, 'backplane' | 'sharedCounter'>

async function connectNodes({ redis, secretKeyBase }: Config, log: Logger): Promise<Nodes> {
  if (!redis) return { backplane: new SingleNodeBackplane() }
  const { RedisBackplane } = await import('../infra/redis-backplane.ts')
  const { RedisCounter } = await import('../infra/redis-counter.ts')
  // Only nodes with the same secret belong to the same deployment.
  const namespace = createHash('sha256').update(`nodes ${secretKeyBase}`).digest('base64url').slice(0, 8)
  const key = deriveKey(secretKeyBase, 'messages between nodes')
  const backplane = await RedisBackplane.connect({ ...redis, namespace, key, log })
  return { backplane, sharedCounter: new RedisCounter(backplane) }
}

async function createMailer({ mail, fromEmail: from }: Config, clock: Clock): Promise<Mailer | undefined> {
  switch (mail.kind) {
    case 'mailbox':
      return new DevMailbox(clock)
    case 'smtp': {
      const { SmtpMailer } = await import('../infra/smtp-mailer.ts')
      return new SmtpMailer({ url: mail.url, from })
    }
    case 'resend': {
      const { ResendMailer } = await import('../infra/resend-mailer.ts')
      return new ResendMailer({ apiKey: mail.apiKey, from })
    }
    case 'none':
      return undefined
  }
}

async function createGoogleProvider({ google, publicUrl }: Config, clock: Clock, log: Logger) {
  if (!google) return null
  const { OpenIdProvider } = await import('../infra/openid-provider.ts')
  const redirectUri = publicUrl + socialCallbackPath(GOOGLE)
  return new OpenIdProvider({ ...google, redirectUri, clock, log })
}
