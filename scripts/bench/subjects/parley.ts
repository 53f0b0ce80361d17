import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pool } from '../measure.ts'
import { PhoenixClient } from '../phoenix-client.ts'
import { startChild } from './child.ts'
import { ParleyRoomClient, ParleyTopicClient } from './parley-rooms.ts'
import { createDatabase } from './postgres.ts'
import type { Client, RoomClient, RoomSubject, RoomTransport, Subject, SubjectKind } from './subject.ts'

const PASSWORD = 'four brave otters sing'
const JWK = {
  kty: 'RSA',
  alg: 'RSA-OAEP-256',
  e: 'AQAB',
  ext: true,
  key_ops: ['encrypt'],
  n: 'n'.repeat(342),
}
const PRIVATE_JWK = {
  ...JWK,
  key_ops: ['decrypt'],
  d: 'd'.repeat(342),
  p: 'p'.repeat(171),
  q: 'q'.repeat(171),
}

/** A registered user. */
export interface Account {
  id: string
  email: string
  token: string
}

/** Parley on PostgreSQL (`DATABASE_URL`). */
export const parleyOnPostgres = { name: 'parley', start: () => start('parley', true) } satisfies SubjectKind

/** Parley on the embedded database. */
export const parleyEmbedded: SubjectKind = {
  name: 'parley embedded',
  start: () => start('parley embedded', false),
}

/** A running Parley server. */
export class Parley implements Subject, RoomSubject {
  readonly name: string
  readonly pid: number
  readonly http: string
  readonly databaseUrl: string | undefined
  readonly #accounts: Promise<Account>[] = []
  #rooms = 0
  readonly #stop: () => Promise<void>

  constructor(
    name: string,
    child: { pid: number; url: string },
    databaseUrl: string | undefined,
    stop: () => Promise<void>,
  ) {
    this.name = name
    this.pid = child.pid
    this.http = child.url
    this.databaseUrl = databaseUrl
    this.#stop = stop
  }

  account(user: number): Promise<Account> {
    this.#accounts[user] ??= this.#register(user)
    return this.#accounts[user]
  }

  /** Registers the users below `count`, a few concurrently, because password hashing is slow. */
  async prepare(count: number): Promise<void> {
    await pool(count, 4, (user) => this.account(user))
  }

  /** Connects without joining anything. */
  async open(user: number): Promise<PhoenixClient> {
    const { token } = await this.account(user)
    return this.openWith(token)
  }

  /** Connects with an access token. */
  openWith(token: string): Promise<PhoenixClient> {
    return PhoenixClient.open(`${this.http}/socket/websocket?vsn=2.0.0&token=${token}`)
  }

  async connect(user: number): Promise<ParleyClient> {
    const account = await this.account(user)
    const client = await this.open(user)
    await client.join(`user:${account.id}`, { token: account.token })
    return new ParleyClient(account, client)
  }

  async startConversation(clients: Client[]): Promise<string> {
    const [creator] = clients as ParleyClient[]
    if (!creator) throw new Error('A conversation needs a creator.')
    const id = await creator.startGroup(clients.map(({ userId }) => userId))
    await pool(clients.length, 8, (i) => (clients[i] as ParleyClient).join(id))
    return id
  }

  async createRoom(users: readonly number[]): Promise<string> {
    await this.prepare(Math.max(...users) + 1)
    const accounts = await Promise.all(users.map((user) => this.account(user)))
    const [creator] = accounts as [Account]
    const body = { room_name: `Room ${++this.#rooms}`, user_ids: accounts.map(({ id }) => id) }
    const room = await this.request('POST', '/api/v1/chat/room-list/', { token: creator.token, body })
    return (room as { id: string }).id
  }

  async connectToRoom(user: number, roomId: string, transport: RoomTransport): Promise<RoomClient> {
    const { token } = await this.account(user)
    if (transport === 'topic') return ParleyTopicClient.join(await this.open(user), roomId)
    return ParleyRoomClient.open(`${this.http}/ws/chat/${roomId}/`, token)
  }

  async request(method: string, path: string, { token, body }: { token?: string; body?: object } = {}) {
    const response = await fetch(this.http + path, {
      method,
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
    return response.status === 204 ? undefined : response.json()
  }

  stop(): Promise<void> {
    return this.#stop()
  }

  async #register(user: number): Promise<Account> {
    const email = `bench${user}@example.com`
    const reply = await this.request('POST', '/auth/register', { body: { email, password: PASSWORD } })
    const { user: made, auth_token } = reply as { user: { id: string }; auth_token: string }
    return { id: made.id, email, token: auth_token }
  }
}

export class ParleyClient implements Client {
  readonly userId: string
  readonly #token: string
  readonly #client: PhoenixClient

  constructor({ id, token }: Account, client: PhoenixClient) {
    this.userId = id
    this.#token = token
    this.#client = client
  }

  onEvent(listener: (frame: Buffer) => void): void {
    this.#client.onEvent = listener
  }

  send(conversation: string, recipients: string[], content: string): Promise<unknown> {
    const encrypted_messages = Object.fromEntries(recipients.map((id) => [id, content]))
    return this.#client.push(`conversation:${conversation}`, 'send_message', {
      token: this.#token,
      encrypted_messages,
    })
  }

  broadcast(conversation: string): Promise<unknown> {
    return this.#client.push(`conversation:${conversation}`, 'start_typing', { token: this.#token })
  }

  async startGroup(userIds: string[]): Promise<string> {
    const token = this.#token
    await this.#client.join('system:general', { token, hidden: true })
    const keys = { public_key: JWK, private_key: PRIVATE_JWK }
    const id = await this.#client.push('system:general', 'start_group_conversation', {
      token,
      user_ids: userIds,
      ...keys,
    })
    await this.#client.push('system:general', 'phx_leave', {})
    return id as string
  }

  join(conversation: string): Promise<unknown> {
    return this.#client.join(`conversation:${conversation}`, { token: this.#token })
  }

  heartbeat(): void {
    this.#client.push('phoenix', 'heartbeat', {}).catch(() => {})
  }

  close(): void {
    this.#client.webSocket.destroy()
  }
}

async function start(name: string, onPostgres: boolean): Promise<Parley> {
  const database = onPostgres ? await createDatabase() : undefined
  const dataDir = await createDataDir()
  return startParley(name, { dataDir, databaseUrl: database?.url }, async () => {
    await database?.drop()
    await removeDataDir(dataDir)
  })
}

/** The configuration of a Parley server. */
interface StartOptions {
  dataDir: string
  databaseUrl: string | undefined
  env?: Record<string, string>
}

/** Starts the built server. @param cleanUp called after it has stopped. */
export async function startParley(
  name: string,
  { dataDir, databaseUrl, env }: StartOptions,
  cleanUp = async () => {},
): Promise<Parley> {
  const child = await startChild(['--enable-source-maps', 'dist/main.js'], {
    DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl ?? '',
    REDIS_URL: '',
    RATE_LIMITS: 'off',
    LOG_LEVEL: 'error',
    ...env,
  })
  return new Parley(name, child, databaseUrl, async () => {
    await child.stop()
    await cleanUp()
  })
}

/** A folder for the secrets that a Parley makes up, which nodes of one deployment share. */
export function createDataDir(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'parley-bench-'))
}

/** Removes what `createDataDir` made. */
export function removeDataDir(dataDir: string): Promise<void> {
  return rm(dataDir, { recursive: true, force: true })
}
