import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import { nanoid } from 'nanoid'
import { v7 as newId } from 'uuid'
import { beforeAll, beforeEach } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { userInsertions } from '../../src/db/queries/accounts/users.ts'
import { insertAll } from '../../src/db/queries/insertions.ts'
import { AccountEmails } from '../../src/domain/accounts/account-emails.ts'
import { AccountPasswords } from '../../src/domain/accounts/account-passwords.ts'
import { type Account, Accounts } from '../../src/domain/accounts/accounts.ts'
import { NewUsers } from '../../src/domain/accounts/new-users.ts'
import { OneTimeTokens } from '../../src/domain/accounts/one-time-tokens.ts'
import { UserDirectory } from '../../src/domain/accounts/user-directory.ts'
import { Conversations } from '../../src/domain/conversations/conversations.ts'
import { type Mailer, MailWorker } from '../../src/domain/mail/mail-worker.ts'
import { SecurityLog } from '../../src/domain/security/security-log.ts'
import { SendQueue } from '../../src/domain/sending/send-queue.ts'
import type { AccessTokenSigner } from '../../src/domain/sessions/access-tokens.ts'
import { Sessions } from '../../src/domain/sessions/sessions.ts'
import { PageTokens } from '../../src/domain/shared/pagination.ts'
import { CodeAttempts } from '../../src/domain/two-factor/code-attempts.ts'
import { Totp } from '../../src/domain/two-factor/totp.ts'
import { TotpEnrolment } from '../../src/domain/two-factor/totp-enrolment.ts'
import { TotpSecrets } from '../../src/domain/two-factor/totp-secrets.ts'
import { Vault } from '../../src/domain/vault/vault.ts'
import { AppError } from '../../src/errors.ts'
import { accessTokenSigner } from '../../src/http/access-token-signer.ts'
import { emailLinks } from '../../src/http/email-links.ts'
import { DevMailbox } from '../../src/infra/dev-mailbox.ts'
import { ManualClock } from './clock.ts'
import { openEventBus } from './event-bus.ts'
import { recordingLogger } from './log.ts'
import { cheapPasswords } from './passwords.ts'
import { setUpEmptyDatabase } from './set-up-database.ts'

export const SECRET = 'a secret of thirty-two characters'
/** A password that satisfies all rules. */
export const PASSWORD = 'four brave otters sing'

/** The device of a sign-in. */
export const PHONE = { userAgent: 'Phone', ip: '192.0.2.1' }

/** Creates the access token signer of the HTTP server. */
export async function openSigner(): Promise<AccessTokenSigner> {
  const app = Fastify()
  await app.register(jwt, { secret: SECRET, verify: { ignoreExpiration: true } })
  await app.ready()
  return accessTokenSigner(app)
}

/** The sessions of one node, with the ids that it revoked and its log lines. */
export function openSessions(
  db: Database,
  signer: AccessTokenSigner,
  {
    clock = new ManualClock(),
    secretKeyBase = SECRET,
    maxAgeMs = 90 * 24 * 60 * 60 * 1000,
  }: { clock?: ManualClock; secretKeyBase?: string; maxAgeMs?: number } = {},
) {
  const events = openEventBus()
  const ended: string[] = []
  events.on('sessions_revoked', ({ sessionIds }) => ended.push(...sessionIds))
  const { logger, lines } = recordingLogger()
  const security = recordingLogger()
  const securityLog = new SecurityLog({ db, clock, log: security.logger, pageTokens: new PageTokens(SECRET) })
  const sessions = new Sessions({
    db,
    clock,
    events,
    signer,
    secretKeyBase,
    maxAgeMs,
    securityLog,
    log: logger,
  })
  return { sessions, clock, events, ended, lines, securityLog, securityLines: security.lines }
}

/** Starts a mail worker. Default mailer: the development mailbox. */
export function openMail(
  db: Database,
  {
    clock = new ManualClock(),
    mailer,
    frontendUrl = 'https://chat.example',
  }: { clock?: ManualClock; mailer?: Mailer | undefined; frontendUrl?: string } = {},
) {
  const mailbox = new DevMailbox(clock)
  const tokens = new OneTimeTokens(clock)
  const { logger, lines, text } = recordingLogger()
  const worker = new MailWorker({
    db,
    clock,
    mailer: mailer ?? mailbox,
    tokens,
    links: emailLinks({ frontendUrl, publicUrl: 'https://parley.example' }),
    log: logger,
  })
  worker.start()
  return { worker, mailbox, tokens, clock, lines, logText: text }
}

export type AccountNode = ReturnType<typeof openAccounts>

/** The account services of one node, with a manual clock and the development mailbox. */
export function openAccounts(db: Database, signer: AccessTokenSigner) {
  const node = openSessions(db, signer)
  const { sessions, clock, events } = node
  const mail = openMail(db, { clock })
  const pageTokens = new PageTokens(SECRET)
  const passwords = cheapPasswords()
  const vault = new Vault([SECRET])
  const queue = new SendQueue(db, { clock })
  const conversations = new Conversations({ db, queue, vault, events, pageTokens })
  const accounts = new Accounts({
    db,
    clock,
    events,
    newUsers: new NewUsers({ theme: 'day' }),
    passwords,
    mail: mail.worker,
    pageTokens,
  })
  const shared = { db, clock, sessions, tokens: mail.tokens, mail: mail.worker }
  const accountPasswords = new AccountPasswords({ ...shared, passwords })
  const accountEmails = new AccountEmails({ ...shared, passwords: accountPasswords })
  return {
    ...node,
    ...mail,
    accounts,
    accountEmails,
    accountPasswords,
    directory: new UserDirectory({ db, pageTokens, mode: 'everyone' }),
    conversations,
    passwords,
    stop: () => Promise.all([mail.worker.stop(), node.securityLog.stop()]),
  }
}

/** Opens a node for each test of a file, on one database that is emptied before each. */
export function setUpAccounts(assign: (node: AccountNode) => void | Promise<void>): Database {
  const db = setUpEmptyDatabase()
  let signer: AccessTokenSigner
  beforeAll(async () => {
    signer = await openSigner()
  })
  beforeEach(async () => {
    const node = openAccounts(db, signer)
    await assign(node)
    return async () => void (await node.stop())
  })
  return db
}

/** Checks a password as a sign-in does. @throws AppError `invalid_credentials`. */
export async function authenticate(
  { accountPasswords, sessions }: Pick<AccountNode, 'accountPasswords' | 'sessions'>,
  email: string,
  password: string,
): Promise<Account> {
  const { account, result, check } = await accountPasswords.check(email, password)
  if (!account || result !== 'right') throw new AppError('invalid_credentials')
  await sessions.open(account.id, PHONE, { check })
  return account
}

/** The services for authenticator apps. */
export function openTotp({
  vault = new Vault([SECRET]),
  ...options
}: {
  db: Database
  clock: ManualClock
  sessions: Pick<Sessions, 'revokeAllIn' | 'announce'>
  vault?: Vault
}) {
  const attempts = new CodeAttempts({
    ...options,
    mail: { wake: () => {} },
    securityLog: { record: () => {} },
  })
  const shared = { ...options, attempts, secrets: new TotpSecrets(vault) }
  return { totp: new Totp(shared), enrolment: new TotpEnrolment({ ...shared, issuer: 'Parley' }) }
}

/** Inserts a user without a password, and returns the id. */
export async function addUser(db: Database, email: string): Promise<string> {
  const id = newId()
  const user = { id, email, displayName: email, shortId: nanoid(), username: `user-${nanoid()}` }
  await insertAll(db.orm, userInsertions(db.orm, { ...user, passwordHash: null }, new Date()))
  return id
}

/** Extracts the token from the link in an email. */
export function tokenIn(email: { text: string } | undefined): string {
  const token = /\?token=([\w-]+)/.exec(email?.text ?? '')?.[1]
  if (!token) throw new Error('There is no link in the email.')
  return token
}
