import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { onTestFinished } from 'vitest'
import { type App, buildApp } from '../../src/app.ts'
import type { Config } from '../../src/config/config.ts'
import type { Database } from '../../src/db/database.ts'
import type { Services } from '../../src/services.ts'
import { ManualClock } from './clock.ts'
import { truncateAll } from './database.ts'
import { recordingLogger } from './log.ts'
import { cheapPasswords } from './passwords.ts'

const CONFIG: Config = {
  production: false,
  host: '127.0.0.1',
  port: 0,
  publicUrl: 'http://localhost:4000',
  frontendUrl: 'http://localhost:3000',
  dataDir: '/nowhere',
  database: { kind: 'embedded', dir: 'memory://' },
  redis: null,
  secretKeyBase: 'a secret for tests, not for anything else',
  vaultSecrets: ['another secret for tests, not for anything else'],
  mail: { kind: 'mailbox' },
  fromEmail: 'parley@localhost',
  contract: 'documented',
  corsOrigins: '*',
  allowedOrigins: '*',
  trustProxy: [],
  rateLimits: true,
  unconfirmed: 'full',
  privateKeys: 'any',
  limits: {
    maxChannels: 1000,
    maxFrameBytes: 262_144,
    maxBufferedBytes: 1_048_576,
    maxMediaBytes: 26_214_400,
    maxMediaPerDay: 1_073_741_824,
    maxAttachmentBytes: 1_075_838_976,
    maxAttachmentsPerDay: 4_294_967_296,
    maxConnections: 1_000,
    maxConnectionsPerUser: 50,
    maxConnectionsPerAddress: 1_000,
  },
  sessionMaxAgeDays: 90,
  directory: 'everyone',
  totpIssuer: 'Parley',
  google: null,
  metrics: { kind: 'on' },
  docs: true,
  logLevel: 'info',
}

/** A password that satisfies all rules. */
export const PASSWORD = 'correct horse battery staple'

/** The response to a sign-in. */
export interface SignedIn {
  user: { id: string; email: string; display_name: string }
  conversations: { id: string }[]
  users: { id: string }[]
  auth_token: string
  refresh_token: string
}

interface SentEmail {
  to: string
  subject: string
  text: string
  html: string
  sent_at: string
}

interface ApiRequest {
  /** Sent as JSON. Strings are sent unchanged. */
  body?: unknown
  token?: string | undefined
  headers?: Record<string, string>
  /** The IP address of the client. */
  from?: string
}

/** Starts a server on an emptied database, with a manual clock. It is closed when the test has finished. */
export async function startApi(
  db: Database,
  overrides: Partial<Config> = {},
  clock = new ManualClock(),
): Promise<TestApi> {
  await truncateAll(db)
  return startApiOn(db, overrides, clock)
}

/** Starts another server without emptying the database. It is closed when the test has finished. */
export async function startApiOn(
  db: Database,
  overrides: Partial<Config>,
  clock: ManualClock,
): Promise<TestApi> {
  const api = await openApi(db, overrides, clock)
  onTestFinished(() => api.app.close())
  return api
}

/** Starts a server for several tests. The caller closes it. */
export async function openApi(
  db: Database,
  overrides: Partial<Config> = {},
  clock = new ManualClock(),
): Promise<TestApi> {
  const log = recordingLogger()
  // The tests of a file share the database, so closing the server must not close it.
  const database = { ...db, close: async () => {} }
  const app = await buildApp(
    { ...CONFIG, ...overrides },
    { clock, logger: log.logger, database, passwords: cheapPasswords() },
  )
  return new TestApi({ app, database, clock, log })
}

/** A running server, with its database, clock and log. */
export class TestApi {
  readonly app: App
  readonly database: Database
  readonly clock: ManualClock
  readonly log: ReturnType<typeof recordingLogger>

  constructor({ app, database, clock, log }: Pick<TestApi, 'app' | 'database' | 'clock' | 'log'>) {
    this.app = app
    this.database = database
    this.clock = clock
    this.log = log
  }

  get http(): FastifyInstance {
    return this.app.http
  }

  get services(): Services {
    return this.app.services
  }

  /** Sends a request. @param line method and path: `POST /auth/login`. */
  send(line: string, { body, token, headers, from }: ApiRequest = {}): Promise<LightMyRequestResponse> {
    const [method, url] = line.split(' ') as [InjectOptions['method'], string]
    return this.http.inject({
      method: method!,
      url,
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
      ...(body !== undefined && { payload: body as object }),
      ...(from && { remoteAddress: from }),
    })
  }

  /** Registers `<name>@example.com`, and sends the email. */
  async register(name: string): Promise<SignedIn> {
    const body = { email: `${name}@example.com`, password: PASSWORD, display_name: `${name} Example` }
    const response = await this.send('POST /auth/register', { body })
    // Emails that wait together may be sent in any order.
    await this.app.mailWorker.drain()
    return answer(response)
  }

  /** Registers `<name>@example.com`, and confirms the address. */
  async registerConfirmed(name: string): Promise<SignedIn> {
    const person = await this.register(name)
    const token = await this.tokenOfEmail(`${name}@example.com`)
    const { statusCode } = await this.send('POST /auth/confirm', { body: { token } })
    if (statusCode !== 204) throw new Error(`The address of ${name} could not be confirmed.`)
    return person
  }

  login(name: string, password = PASSWORD): Promise<LightMyRequestResponse> {
    return this.send('POST /auth/login', { body: { email: `${name}@example.com`, password } })
  }

  /** Starts a private conversation. @returns its id. */
  async startConversation(one: SignedIn, other: SignedIn): Promise<string> {
    const keys = { publicKey: { kty: 'RSA' }, privateKey: { kty: 'RSA' } }
    const { conversation } = await this.services.conversations.startPrivate(one.user.id, {
      otherUserId: other.user.id,
      ...keys,
    })
    return conversation.id
  }

  /** All sent emails, newest first. */
  async emails(): Promise<SentEmail[]> {
    await this.app.mailWorker.drain()
    return answer(await this.send('GET /dev/mailbox.json'))
  }

  /** The token in the newest email to an address. */
  async tokenOfEmail(to: string): Promise<string> {
    const email = (await this.emails()).find((one) => one.to === to)
    const token = /token=([\w-]+)/.exec(email?.text ?? '')?.[1]
    if (!token) throw new Error(`There is no email with a token to ${to}`)
    return token
  }
}

function answer<T>(response: LightMyRequestResponse): T {
  if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${response.body}`)
  return response.json()
}
