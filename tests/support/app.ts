import type { Channel, Socket } from 'phoenix'
import { pino } from 'pino'
import { expect, onTestFinished } from 'vitest'
import { type App, buildApp } from '../../src/app.ts'
import { type Config, readConfig } from '../../src/config/config.ts'
import type { Database } from '../../src/db/database.ts'
import { ManualClock } from './clock.ts'
import { openTestDatabase } from './database.ts'
import { temporaryFolder } from './folder.ts'
import { FrameRecorder } from './frame-recorder.ts'
import { InProcessBackplane } from './in-process-backplane.ts'
import { cheapPasswords } from './passwords.ts'
import { type Json, openSocket, type PhoenixVersion, settle } from './phoenix.ts'

export const PASSWORD = 'four brave otters sing'

/** A user with a session. */
export interface Person {
  id: string
  email: string
  token: string
  refreshToken: string
  /** Opens a socket with the official client. `at`: another node. The socket is closed when the test has finished. */
  connect(options?: { version?: PhoenixVersion; at?: { url: string } }): Socket
  /** Joins a topic on the first socket. @throws if the join is rejected. */
  join(topic: string, payload?: object): Promise<Channel>
}

export interface TestApp extends App {
  url: string
  clock: ManualClock
  logs: string[]
  /** Checks what the server sends to the sockets of `connect` and `join` against the AsyncAPI document. */
  frames: FrameRecorder
  signUp(name: string): Promise<Person>
  request(
    method: string,
    path: string,
    options?: { token?: string; body?: unknown },
  ): Promise<{ status: number; body: Json }>
  /** Closes the server, and starts another one on the same port and database. */
  restart(): Promise<TestApp>
}

export const VAULT_KEY = 'a vault key for tests only: long enough'

const environment = {
  SECRET_KEY_BASE: 'a secret key base for tests only: long enough',
  VAULT_KEY,
  PORT: '0',
  LOG_LEVEL: 'info',
  RATE_LIMITS: 'off',
}

/** Opens an empty database. It is closed when the test has finished. */
async function emptyDatabase(): Promise<Database> {
  const database = await openTestDatabase()
  onTestFinished(() => database.close())
  return { ...database, close: async () => {} }
}

/** Starts a server on a port of its own, with a manual clock. It is closed when the test has finished. */
export async function startApp(
  env: Record<string, string> = {},
  change: Partial<Config> = {},
): Promise<TestApp> {
  return startNode({ env, change, database: await emptyDatabase(), clock: new ManualClock() })
}

/** Starts several servers on one database, connected by backplanes that a test can disconnect. */
export async function startNodes(
  count: number,
  env: Record<string, string> = {},
): Promise<(TestApp & { backplane: InProcessBackplane })[]> {
  const shared = { database: await emptyDatabase(), clock: new ManualClock() }
  const nodes = []
  for (const backplane of InProcessBackplane.group(count)) {
    // Each server has its own `Database` object, so that a test can make queries of one server fail.
    const own = { ...shared, env, database: { ...shared.database }, backplane }
    nodes.push({ ...(await startNode(own)), backplane })
  }
  return nodes
}

interface NodeOptions {
  env?: Record<string, string>
  change?: Partial<Config>
  database: Database
  clock: ManualClock
  backplane?: InProcessBackplane
}

async function startNode({ env, change, database, clock, backplane }: NodeOptions): Promise<TestApp> {
  const logs: string[] = []
  const logger = pino({ level: 'info' }, { write: (line) => void logs.push(line) })
  const config = { ...readConfig({ ...environment, DATA_DIR: temporaryFolder(), ...env }), ...change }
  const app = await buildApp(config, {
    clock,
    logger,
    database,
    passwords: cheapPasswords(),
    ...(backplane && { backplane }),
  })
  const url = await app.listen()
  const frames = new FrameRecorder(config.contract)
  onTestFinished(() => expect(frames.problems, 'Describe these in src/schemas/events/').toEqual([]))
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= app.close()
    return closed
  }
  onTestFinished(close)

  async function request(
    method: string,
    path: string,
    { token, body }: { token?: string; body?: unknown } = {},
  ) {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text ? JSON.parse(text) : undefined }
  }

  async function signUp(name: string): Promise<Person> {
    const email = `${name}@example.com`
    const { body } = await request('POST', '/auth/register', { body: { email, password: PASSWORD } })
    let first: Socket | undefined
    const person: Person = {
      id: body.user.id,
      email,
      token: body.auth_token,
      refreshToken: body.refresh_token,
      connect({ at = { url }, ...options } = {}) {
        const address = `${at.url.replace('http', 'ws')}/socket`
        const socket = openSocket(address, { token: person.token, ...options })
        frames.watch(socket)
        onTestFinished(() => socket.disconnect())
        return socket
      },
      async join(topic, payload = {}) {
        first ??= person.connect()
        const channel = first.channel(topic, { token: person.token, ...payload })
        const { status, response } = await settle(channel.join())
        if (status !== 'ok') throw new Error(`${name} could not join ${topic}: ${JSON.stringify(response)}`)
        return channel
      },
    }
    return person
  }

  async function restart(): Promise<TestApp> {
    await close()
    const port = Number(new URL(url).port)
    return startNode({ env: env ?? {}, change: { ...change, port }, database, clock })
  }

  return { ...app, url, clock, logs, frames, signUp, request, close, restart }
}
