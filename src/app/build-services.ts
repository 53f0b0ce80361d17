import type { Config } from '../config/config.ts'
import { AccountData } from '../domain/account-keys/account-data.ts'
import { AccountKeys } from '../domain/account-keys/account-keys.ts'
import { AccountEmails } from '../domain/accounts/account-emails.ts'
import { AccountPasswords } from '../domain/accounts/account-passwords.ts'
import { Accounts } from '../domain/accounts/accounts.ts'
import { AddingRules } from '../domain/accounts/adding-rules.ts'
import { correctCanonicalEmails } from '../domain/accounts/canonical-emails.ts'
import { NewUsers } from '../domain/accounts/new-users.ts'
import { OneTimeTokens } from '../domain/accounts/one-time-tokens.ts'
import { Passwordless } from '../domain/accounts/passwordless.ts'
import { SocialLogin } from '../domain/accounts/social-login.ts'
import { UserDirectory } from '../domain/accounts/user-directory.ts'
import { Attachments } from '../domain/attachments/attachments.ts'
import { Conversations } from '../domain/conversations/conversations.ts'
import { Messages } from '../domain/conversations/messages.ts'
import { StartQuota } from '../domain/conversations/start-quota.ts'
import { MailWorker } from '../domain/mail/mail-worker.ts'
import { MediaLibrary } from '../domain/media/media-library.ts'
import { RoomPresence } from '../domain/presence/room-presence.ts'
import { RoomCatchUp } from '../domain/rooms/room-catch-up.ts'
import { RoomDirectory } from '../domain/rooms/room-directory.ts'
import { Rooms } from '../domain/rooms/rooms.ts'
import { HitCounter } from '../domain/security/hit-counter.ts'
import { SecurityLog } from '../domain/security/security-log.ts'
import { SendQueue } from '../domain/sending/send-queue.ts'
import type { AccessTokenSigner } from '../domain/sessions/access-tokens.ts'
import { KnownDevices } from '../domain/sessions/known-devices.ts'
import { Sessions } from '../domain/sessions/sessions.ts'
import { SignIn } from '../domain/sessions/sign-in.ts'
import { EventBus } from '../domain/shared/events.ts'
import { PageTokens } from '../domain/shared/pagination.ts'
import { CodeAttempts } from '../domain/two-factor/code-attempts.ts'
import { Totp } from '../domain/two-factor/totp.ts'
import { TotpEnrolment } from '../domain/two-factor/totp-enrolment.ts'
import { TotpSecrets } from '../domain/two-factor/totp-secrets.ts'
import { Vault } from '../domain/vault/vault.ts'
import { emailLinks } from '../http/email-links.ts'
import type { Nodes } from '../realtime/cluster/nodes.ts'
import { Tracker } from '../realtime/cluster/tracker.ts'
import type { Services } from '../services.ts'
import type { Dialect } from '../views/dialect.ts'
import type { Infrastructure } from './infrastructure.ts'

/** The services and their background work. */
export interface BuiltServices {
  services: Services
  mailWorker: MailWorker
  /** Starts the background work. */
  start(): Promise<void>
  /** Stops the background work, and resolves when what is under way has finished. */
  stop(): Promise<void>
}

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * Builds the services in the order of their dependencies.
 * @throws when a vault key cannot decrypt what is stored.
 */
export async function buildServices(
  config: Config,
  infrastructure: Infrastructure,
  { signer, nodes, dialect }: { signer: AccessTokenSigner; nodes: Nodes; dialect: Dialect },
): Promise<BuiltServices> {
  const { clock, logger: log, database: db, passwords } = infrastructure
  const { secretKeyBase, publicUrl, limits } = config
  const vault = await Vault.open(db, config.vaultSecrets)
  await correctCanonicalEmails(db, log)

  const events = new EventBus((err, event) => log.error({ err, event }, 'Event listener failed'))
  const pageTokens = new PageTokens(secretKeyBase)
  const securityLog = new SecurityLog({ db, clock, log, pageTokens })
  const tokens = new OneTimeTokens(clock)
  const mail = new MailWorker({
    db,
    clock,
    mailer: infrastructure.mailer,
    tokens,
    links: emailLinks(config),
    log,
  })
  const sessions = new Sessions({
    db,
    clock,
    events,
    signer,
    secretKeyBase,
    maxAgeMs: config.sessionMaxAgeDays * DAY_MS,
    securityLog,
    log,
  })

  const queue = new SendQueue(db, { clock })
  const addingRules = new AddingRules(config.unconfirmed)
  const startCounter = new HitCounter(clock, infrastructure.sharedCounter)
  const startQuota = config.rateLimits ? new StartQuota(startCounter) : undefined
  const conversations = new Conversations({
    db,
    events,
    queue,
    vault,
    pageTokens,
    addingRules,
    startQuota,
    privateKeys: config.privateKeys,
    log,
  })
  const media = new MediaLibrary({
    db,
    clock,
    store: infrastructure.mediaStore,
    addingRules,
    secretKeyBase,
    publicUrl,
    limits,
    log,
  })
  const attachments = new Attachments({
    db,
    clock,
    store: infrastructure.attachmentStore,
    events,
    addingRules,
    limits,
    log,
  })
  const roomPresence = new RoomPresence({
    clock,
    events,
    connected: new Tracker('rooms', nodes, clock),
    typing: new Tracker('room-typing', nodes, clock),
  })

  const newUsers = new NewUsers({ theme: dialect.defaultTheme })
  const accounts = new Accounts({ db, clock, events, newUsers, passwords, mail, pageTokens })
  const accountPasswords = new AccountPasswords({ db, clock, passwords, sessions, tokens, mail })
  const attempts = new CodeAttempts({ db, clock, mail, securityLog })
  const secrets = new TotpSecrets(vault)
  const totp = new Totp({ db, clock, attempts, secrets })
  const issuer = config.totpIssuer

  return {
    services: {
      clock,
      events,
      accounts,
      accountData: new AccountData(db),
      accountKeys: new AccountKeys({
        db,
        clock,
        events,
        sessions,
        mail,
        securityLog,
        directory: config.directory,
      }),
      accountEmails: new AccountEmails({ db, clock, passwords: accountPasswords, sessions, tokens, mail }),
      accountPasswords,
      directory: new UserDirectory({ db, pageTokens, mode: config.directory }),
      passwordless: new Passwordless({ db, clock, newUsers, tokens, mail, sessions }),
      totp,
      totpEnrolment: new TotpEnrolment({ db, clock, attempts, secrets, sessions, issuer }),
      signIn: new SignIn({ accounts, passwords: accountPasswords, totp, sessions, securityLog }),
      knownDevices: new KnownDevices({ db, clock, secretKeyBase }),
      sessions,
      conversations,
      messages: new Messages({ db, events, queue, pageTokens }),
      attachments,
      media,
      rooms: new Rooms({ db, clock, queue, events, pageTokens, media, addingRules }),
      roomCatchUp: new RoomCatchUp(db),
      roomDirectory: new RoomDirectory(db),
      roomPresence,
      socialLogin: new SocialLogin({
        db,
        clock,
        newUsers,
        sessions,
        providers: infrastructure.identityProviders,
      }),
      securityLog,
    },
    mailWorker: mail,
    async start() {
      securityLog.start()
      await sessions.start()
      await media.start()
      attachments.start()
      mail.start()
    },
    async stop() {
      roomPresence.stop()
      await Promise.all([
        mail.stop(),
        sessions.stop(),
        media.stop(),
        attachments.stop(),
        queue.idle(),
        securityLog.stop(),
      ])
    },
  }
}
