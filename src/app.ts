import { createHash } from 'node:crypto'
import { Server } from 'node:http'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { type Logger, pino } from 'pino'
import { Registry } from 'prom-client'
import { explain, useChannels } from './channels/index.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Config } from './config.ts'
import { type Database, openDatabase } from './db/database.ts'
import { Accounts } from './domain/accounts.ts'
import { Conversations } from './domain/conversations.ts'
import { EventBus } from './domain/events.ts'
import { type Mailer, MailWorker } from './domain/mail.ts'
import { MediaLibrary, type MediaStore } from './domain/media.ts'
import { Messages } from './domain/messages.ts'
import { PageTokens } from './domain/pagination.ts'
import { Passwordless } from './domain/passwordless.ts'
import { Passwords } from './domain/passwords.ts'
import { RoomCatchUp } from './domain/room-catch-up.ts'
import { RoomDirectory } from './domain/room-directory.ts'
import { RoomLife } from './domain/room-life.ts'
import { Rooms } from './domain/rooms.ts'
import { SendQueue } from './domain/send-queue.ts'
import { Sessions } from './domain/sessions.ts'
import { SocialLogin } from './domain/social-login.ts'
import { OneTimeTokens } from './domain/tokens.ts'
import { Totp } from './domain/totp.ts'
import { Vault } from './domain/vault.ts'
import { accessTokenSigner } from './http/access-token-signer.ts'
import { logSerializers, redactedPaths } from './http/logging.ts'
import { registerRoutes } from './http/routes/index.ts'
import { socialCallbackPath } from './http/routes/whisper/social.ts'
import { createHttpServer } from './http/server.ts'
import { DevMailbox } from './infra/dev-mailbox.ts'
import { DiskMedia } from './infra/disk-media.ts'
import { LocalBackplane } from './infra/local-backplane.ts'
import { OpenIdProvider } from './infra/openid-provider.ts'
import { RedisBackplane } from './infra/redis-backplane.ts'
import { RedisCounter } from './infra/redis-counter.ts'
import { ResendMailer } from './infra/resend-mailer.ts'
import { SmtpMailer } from './infra/smtp-mailer.ts'
import { deriveKey } from './keys.ts'
import { measureRealtime } from './metrics.ts'
import type { Backplane } from './realtime/backplane.ts'
import { Endpoint } from './realtime/endpoint.ts'
import type { TransportOptions } from './realtime/handshake.ts'
import { longPollTransport } from './realtime/longpoll.ts'
import { Nodes } from './realtime/nodes.ts'
import { Tracker } from './realtime/tracker.ts'
import { type UpgradeListener, websocketTransport } from './realtime/websocket.ts'
import type { Services } from './services.ts'
import { chooseDialect } from './views/dialect.ts'

/** What a test puts in the place of the real thing. */
export interface Overrides {
  clock?: Clock
  logger?: Logger
  database?: Database
  mediaStore?: MediaStore
  /** How this node reaches others. */
  backplane?: Backplane
}

/** A built server. */
export interface App {
  readonly http: FastifyInstance
  readonly services: Services
  readonly database: Database
  readonly endpoint: Endpoint
  readonly mailWorker: MailWorker
  /** Starts to listen. @returns the address. */
  listen(): Promise<string>
  /** Refuses new work, finishes what is under way, sends clients elsewhere, and lets go of everything. */
  close(): Promise<void>
}

const GOOGLE = 'google-oauth2'
const EVENTS_PER_SECOND = 60
const EVENT_BURST = 300
/** A client that comes back joins all its topics at once. */
const SPARE_JOINS = 100

/**
 * Wires the server, once and in order; nothing else chooses an implementation.
 * @throws when the database cannot be opened, or a vault key cannot open what it holds.
 */
export async function buildApp(config: Config, overrides: Overrides = {}): Promise<App> {
  const clock = overrides.clock ?? systemClock
  const logger =
    overrides.logger ??
    pino({ level: config.logLevel, serializers: logSerializers, redact: { paths: redactedPaths } })
  const database = overrides.database ?? (await openDatabase(config.database))
  let backplane = overrides.backplane
  try {
    backplane ??= await connectBackplane(config, logger)
    return await assemble(config, { ...overrides, clock, logger, database, backplane })
  } catch (error) {
    await Promise.all([backplane?.close(), database.close()])
    throw error
  }
}

async function assemble(
  config: Config,
  {
    clock,
    logger,
    database: db,
    backplane,
    mediaStore,
  }: Overrides & Required<Pick<Overrides, 'clock' | 'logger' | 'database' | 'backplane'>>,
): Promise<App> {
  const { secretKeyBase, publicUrl, limits } = config
  const vault = await Vault.open(db, config.vaultSecrets)
  const http = await createHttpServer(config, logger, clock)
  const events = new EventBus((err, event) => logger.error({ err, event }, 'An event could not be told'))
  const pageTokens = new PageTokens(secretKeyBase)
  const tokens = new OneTimeTokens(clock)
  const mailer = chooseMailer(config, clock)
  const mail = new MailWorker({
    db,
    clock,
    mailer,
    tokens,
    frontendUrl: config.frontendUrl,
    publicUrl,
    log: logger,
  })
  const signer = accessTokenSigner(http)
  const sessions = new Sessions({ db, clock, events, signer, secretKeyBase, log: logger })
  const queue = new SendQueue(db, events, { clock })
  const conversations = new Conversations({ db, events, queue, vault })
  const messages = new Messages({ db, events, queue, pageTokens })
  const store = mediaStore ?? new DiskMedia(join(config.dataDir, 'media'))
  const media = new MediaLibrary({ db, clock, store, secretKeyBase, publicUrl, limits, log: logger })
  const passwords = new Passwords()
  const accounts = new Accounts({
    db,
    clock,
    events,
    passwords,
    sessions,
    tokens,
    mail,
    pageTokens,
    conversations,
  })
  const socialLogin = new SocialLogin({ db, clock, providers: chooseProviders(config, clock, logger) })
  const nodes = new Nodes(backplane, clock)
  const roomLife = new RoomLife({
    clock,
    events,
    visits: new Tracker('rooms', nodes, clock),
    typing: new Tracker('room-typing', nodes, clock),
  })
  const services: Services = {
    clock,
    events,
    accounts,
    passwordless: new Passwordless({ db, clock, tokens, mail }),
    totp: new Totp({ db, clock, vault, sessions, issuer: config.totpIssuer }),
    sessions,
    conversations,
    messages,
    media,
    rooms: new Rooms({ db, clock, events, pageTokens, media }),
    roomCatchUp: new RoomCatchUp(db),
    roomDirectory: new RoomDirectory(db),
    roomLife,
    socialLogin,
  }

  const dialect = chooseDialect(config.contract)
  const endpoint = new Endpoint({
    clock,
    nodes,
    logger,
    explain,
    ...limits,
    rateLimit: config.rateLimits
      ? {
          eventsPerSecond: EVENTS_PER_SECOND,
          eventBurst: EVENT_BURST,
          joinBurst: limits.maxChannels + SPARE_JOINS,
        }
      : null,
  })
  const channels = useChannels(endpoint, services, dialect)
  const registry = new Registry()
  measureRealtime(registry, endpoint, channels)

  let isReady = false
  const transport: TransportOptions = {
    endpoint,
    path: '/socket',
    maxFrameBytes: limits.maxFrameBytes,
    allowedOrigins: config.allowedOrigins,
    authenticate: (token) => channels.admit(token),
  }
  const upgrades = new Server()
  const passOn: UpgradeListener = (...upgrade) => upgrades.emit('upgrade', ...upgrade)
  await http.register(websocketTransport, { ...transport, passOn })
  await http.register(longPollTransport, { ...transport, key: deriveKey(secretKeyBase, 'long polling') })
  await registerRoutes(http, {
    config,
    endpoint,
    upgrades,
    services,
    dialect,
    database: db,
    sharedCounter: backplane instanceof RedisBackplane ? new RedisCounter(backplane) : undefined,
    readiness: { ready: () => isReady, reachesNodes: () => backplane.isConnected },
    registry,
    mailbox: mailer instanceof DevMailbox ? mailer : undefined,
  })
  await sessions.start()
  await media.start()
  await nodes.start()
  mail.start()

  return {
    http,
    services,
    database: db,
    endpoint,
    mailWorker: mail,
    async listen() {
      const address = await http.listen({ port: config.port, host: config.host })
      isReady = true
      return address
    },
    async close() {
      isReady = false
      await endpoint.drain()
      await http.close()
      channels.stop()
      roomLife.stop()
      endpoint.stop()
      nodes.stop()
      await Promise.all([mail.stop(), sessions.stop(), media.stop(), queue.idle()])
      await Promise.all([backplane.close(), db.close()])
    },
  }
}

async function connectBackplane({ redis, secretKeyBase }: Config, log: Logger): Promise<Backplane> {
  if (!redis) return LocalBackplane.alone()
  // Only nodes with the same secrets are of the same deployment.
  const namespace = createHash('sha256').update(`nodes ${secretKeyBase}`).digest('base64url').slice(0, 8)
  return RedisBackplane.connect({ ...redis, namespace, log })
}

function chooseMailer({ mail, fromEmail: from }: Config, clock: Clock): Mailer | undefined {
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

/** By their names in URLs. */
function chooseProviders({ google, publicUrl }: Config, clock: Clock, log: Logger) {
  const redirectUri = publicUrl + socialCallbackPath(GOOGLE)
  return new Map([[GOOGLE, google && new OpenIdProvider({ ...google, redirectUri, clock, log })]])
}
