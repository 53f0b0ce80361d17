import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import { nanoid } from 'nanoid'
import { v7 as newId } from 'uuid'
import type { Database } from '../../src/db/database.ts'
import { insertUser } from '../../src/db/queries/users.ts'
import type { AccessTokenSigner } from '../../src/domain/access-tokens.ts'
import { Accounts } from '../../src/domain/accounts.ts'
import { Conversations } from '../../src/domain/conversations.ts'
import { type Mailer, MailWorker } from '../../src/domain/mail.ts'
import { PageTokens } from '../../src/domain/pagination.ts'
import { Passwords } from '../../src/domain/passwords.ts'
import { SendQueue } from '../../src/domain/send-queue.ts'
import { Sessions } from '../../src/domain/sessions.ts'
import { OneTimeTokens } from '../../src/domain/tokens.ts'
import { Vault } from '../../src/domain/vault.ts'
import { accessTokenSigner } from '../../src/http/access-token-signer.ts'
import { DevMailbox } from '../../src/infra/dev-mailbox.ts'
import { ManualClock } from './clock.ts'
import { openEventBus } from './event-bus.ts'
import { recordingLogger } from './log.ts'

export const SECRET = 'a secret of thirty-two characters'
/** Keeps every rule. */
export const PASSWORD = 'four brave otters sing'

export const PHONE = { userAgent: 'Phone', ip: '192.0.2.1' }

/** A signer of access tokens as the HTTP server makes it. */
export async function openSigner(): Promise<AccessTokenSigner> {
  const app = Fastify()
  await app.register(jwt, { secret: SECRET, verify: { ignoreExpiration: true } })
  await app.ready()
  return accessTokenSigner(app)
}

/** One node's sessions, with what they tell others. */
export function openSessions(
  db: Database,
  signer: AccessTokenSigner,
  { clock = new ManualClock(), secretKeyBase = SECRET }: { clock?: ManualClock; secretKeyBase?: string } = {},
) {
  const events = openEventBus()
  const ended: string[] = []
  events.on('sessions_revoked', ({ sessionIds }) => ended.push(...sessionIds))
  const { logger, lines } = recordingLogger()
  const sessions = new Sessions({ db, clock, events, signer, secretKeyBase, log: logger })
  return { sessions, clock, events, ended, lines }
}

/** A running mail worker whose letters stay in the mailbox, unless another mailer takes them. */
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
    frontendUrl,
    publicUrl: 'https://parley.example',
    log: logger,
  })
  worker.start()
  return { worker, mailbox, tokens, clock, lines, logText: text }
}

export type AccountNode = ReturnType<typeof openAccounts>

/** Everything about accounts on one node, with a clock that stands still and letters that stay in a mailbox. */
export function openAccounts(db: Database, signer: AccessTokenSigner) {
  const node = openSessions(db, signer)
  const { sessions, clock, events } = node
  const mail = openMail(db, { clock })
  const pageTokens = new PageTokens(SECRET)
  const passwords = new Passwords()
  const vault = new Vault([SECRET])
  const queue = new SendQueue(db, events, { clock })
  const conversations = new Conversations({ db, queue, vault, events })
  const accounts = new Accounts({
    db,
    clock,
    events,
    passwords,
    sessions,
    tokens: mail.tokens,
    mail: mail.worker,
    pageTokens,
    conversations,
  })
  return { ...node, ...mail, accounts, conversations, passwords, stop: () => mail.worker.stop() }
}

/** A user without a password, for rules that ask for none. */
export async function addUser(db: Database, email: string): Promise<string> {
  const id = newId()
  const user = { id, email, displayName: email, shortId: nanoid(), username: `user-${nanoid()}` }
  await insertUser(db.orm, { ...user, passwordHash: null }, new Date())
  return id
}

/** The token in the link of a letter. */
export function tokenIn(letter: { text: string } | undefined): string {
  const token = /\?token=([\w-]+)/.exec(letter?.text ?? '')?.[1]
  if (!token) throw new Error('There is no link in the letter.')
  return token
}
