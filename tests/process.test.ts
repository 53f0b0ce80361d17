import { lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import postgres from 'postgres'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PASSWORD } from './support/app.ts'
import { KEYS } from './support/conversations.ts'
import { dataFolder } from './support/data-folder.ts'
import { createTestDatabase } from './support/database.ts'
import { eventually } from './support/eventually.ts'
import { temporaryFolder } from './support/folder.ts'
import { freePort } from './support/free-port.ts'
import { openSocket } from './support/phoenix.ts'
import { type ServerProcess, spawnServer, startServer } from './support/process.ts'
import { RawClient } from './support/raw-client.ts'
import { STORED_COPIES } from './support/stored-copies.ts'

interface Account {
  id: string
  token: string
}

async function post(url: string, body: object): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

async function register(server: ServerProcess, name: string): Promise<Account> {
  const response = await post(`${server.url}/auth/register`, {
    email: `${name}@example.com`,
    password: PASSWORD,
  })
  const body = (await response.json()) as { user: { id: string }; auth_token: string }
  return { id: body.user.id, token: body.auth_token }
}

function connect({ url }: ServerProcess, { token }: Account): Promise<RawClient> {
  return RawClient.connect(`${url.replace('http', 'ws')}/socket/websocket?vsn=2.0.0&token=${token}`)
}

/** Connects `count` official clients. @returns their close codes. */
async function connectMany(
  server: ServerProcess,
  account: Account,
  count: number,
): Promise<Promise<number>[]> {
  const sockets = Array.from({ length: count }, () =>
    openSocket(`${server.url.replace('http', 'ws')}/socket`, { token: account.token }),
  )
  onTestFinished(() => sockets.forEach((socket) => void socket.disconnect()))
  await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => void socket.onOpen(resolve))))
  return sockets.map((socket) => new Promise((resolve) => void socket.onClose(({ code }) => resolve(code))))
}

/** Runs the server as `npm start` does, in a folder without other scripts. */
function underNpm(command: string[]): string[] {
  const folder = temporaryFolder()
  const start = `exec ${command.map((part) => `'${part}'`).join(' ')}`
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts: { start } }))
  return ['npm', '--prefix', folder, '--update-notifier=false', 'start']
}

/** Starts a request that does not end, which a drain waits for. */
async function beginRequest({ url }: ServerProcess): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = connectTcp(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  socket.write('POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n')
  socket.write('content-length: 9\r\nexpect: 100-continue\r\n\r\n')
  await new Promise((resolve) => socket.once('data', resolve))
}

describe('the process', () => {
  it('starts with defaults, prints its address and an example request, and keeps its data after a restart', async () => {
    const env = { DATA_DIR: temporaryFolder() }
    const first = await startServer(env)
    expect(first.output()).toMatch(/listening at http:\/\/127\.0\.0\.1:\d+/)
    expect(first.output()).toContain('/auth/register')
    await register(first, 'ann')
    first.child.kill('SIGTERM')
    expect(await first.exited).toBe(0)
    const second = await startServer(env)
    const login = await post(`${second.url}/auth/login`, { email: 'ann@example.com', password: PASSWORD })
    expect(login.status).toBe(200)
  })

  it('makes its files private, including those of a previous version', async () => {
    const DATA_DIR = join(temporaryFolder(), 'data')
    mkdirSync(join(DATA_DIR, 'media', 'ab'), { recursive: true })
    writeFileSync(join(DATA_DIR, 'media', 'ab', 'c'), '')
    await startServer({ DATA_DIR, SECRET_KEY_BASE: '', VAULT_KEY: '' })
    const paths = ['', ...readdirSync(DATA_DIR, { recursive: true, encoding: 'utf8' })]
    const entries = paths.map((path) => ({ path, stats: lstatSync(join(DATA_DIR, path)) }))
    const open = entries.filter(({ stats }) => (stats.mode & 0o777) !== (stats.isDirectory() ? 0o700 : 0o600))
    expect(open.map(({ path }) => path)).toEqual([])
    expect(entries.length).toBeGreaterThan(900)
  })

  it('drains on repeated SIGTERM: closes sockets with 1012, and exits with 0', async () => {
    const server = await startServer({ DATA_DIR: dataFolder() })
    const ann = await register(server, 'ann')
    const clients = await Promise.all(Array.from({ length: 60 }, () => connect(server, ann)))
    await Promise.all(
      clients.map((client) => client.call(['1', '1', `user:${ann.id}`, 'phx_join', { token: ann.token }])),
    )
    for (let i = 0; i < 3; i++) server.child.kill('SIGTERM')
    expect(new Set(await Promise.all(clients.map((client) => client.closed)))).toEqual(new Set([1012]))
    expect(await server.exited).toBe(0)
  })

  it('drains after Ctrl-C is pressed twice under npm, which repeats each SIGINT', async () => {
    const DATA_DIR = dataFolder()
    const server = await startServer({ DATA_DIR }, { wrap: underNpm })
    const closed = await connectMany(server, await register(server, 'ann'), 150)
    for (let press = 0; press < 2; press++) process.kill(-(server.child.pid ?? 0), 'SIGINT')
    expect(new Set(await Promise.all(closed))).toEqual(new Set([1012]))
    await server.exited
    expect(readdirSync(join(DATA_DIR, 'database.lock'))).toEqual([])
  })

  it('exits immediately when Ctrl-C is pressed three times', async () => {
    const server = await startServer({ DATA_DIR: dataFolder() })
    await beginRequest(server)
    let exit: number | string | undefined
    void server.exited.then((how) => {
      exit = how
    })
    await eventually(() => {
      server.child.kill('SIGINT')
      expect(exit).toBe(130)
    })
  })

  it('reports all configuration problems in one error without secrets', async () => {
    const server = await spawnServer({
      NODE_ENV: 'production',
      PORT: 'http',
      VAULT_KEY: 'too-short',
      CONTRACT: 'x',
    })
    expect(await server.exited).toBe(1)
    for (const name of ['PUBLIC_URL', 'PORT', 'VAULT_KEY', 'CONTRACT'])
      expect(server.output()).toContain(name)
    expect(server.output()).not.toContain('too-short')
    expect(server.output()).not.toMatch(/^\s+at /m)
  })

  it('says what to do when its port is in use', async () => {
    const taken = await startServer({ DATA_DIR: dataFolder() })
    const { port } = new URL(taken.url)
    const server = await spawnServer({ DATA_DIR: dataFolder(), PORT: port })
    expect(await server.exited).toBe(1)
    expect(server.output()).toMatch(/in use\. Set PORT/)
  })

  it('does not open an embedded database that another process has open', async () => {
    const DATA_DIR = dataFolder()
    const first = await startServer({ DATA_DIR })
    const second = await spawnServer({ DATA_DIR })
    expect(await second.exited).toBe(1)
    expect(second.output()).toContain(`in use by process ${first.child.pid}`)
    first.child.kill('SIGKILL')
    await first.exited
    await startServer({ DATA_DIR })
  })

  it('says what to do when a vault key is missing that something was encrypted with', async () => {
    const DATA_DIR = dataFolder()
    const first = await startServer({ DATA_DIR })
    const ann = await register(first, 'ann')
    const client = await connect(first, ann)
    await client.call(['1', '1', 'system:general', 'phx_join', { token: ann.token }])
    await client.call([
      '1',
      '2',
      'system:general',
      'start_group_conversation',
      { token: ann.token, user_ids: [], ...KEYS },
    ])
    client.close()
    first.child.kill('SIGTERM')
    await first.exited
    const other = 'another vault key that opens nothing here'
    const second = await spawnServer({ DATA_DIR, VAULT_KEY: other })
    expect(await second.exited).toBe(1)
    expect(second.output()).toMatch(/VAULT_KEY/)
    await startServer({ DATA_DIR, VAULT_KEY: `${other},a vault key for tests only: long enough` })
  })

  it('says what to do when PostgreSQL is unreachable', async () => {
    const server = await spawnServer({ DATABASE_URL: `postgres://nobody@127.0.0.1:${await freePort()}/none` })
    expect(await server.exited).toBe(1)
    expect(server.output()).toContain('DATABASE_URL')
    expect(server.output()).not.toMatch(/^\s+at /m)
  })
})

describe.runIf(process.env.DATABASE_URL)('on PostgreSQL', () => {
  it('loses no acknowledged message, and has no gaps or duplicates, when it is killed during 1,000 sends', async () => {
    const { url: DATABASE_URL, drop } = await createTestDatabase(process.env.DATABASE_URL ?? '')
    onTestFinished(drop)
    let server = await startServer({ DATABASE_URL })
    const ann = await register(server, 'ann')
    let client = await connect(server, ann)
    await client.call(['1', '1', 'system:general', 'phx_join', { token: ann.token }])
    const started = await client.call([
      '1',
      '2',
      'system:general',
      'start_group_conversation',
      { token: ann.token, user_ids: [], ...KEYS },
    ])
    const id = (started[4] as { response: string }).response
    const acked: string[] = []
    const send = async (from: RawClient, start: number, end: number) => {
      await from.call(['1', 'join', `conversation:${id}`, 'phx_join', { token: ann.token }])
      let next = start
      const sender = async () => {
        while (next < end) {
          const content = `message ${next++}`
          const payload = { token: ann.token, encrypted_messages: { [ann.id]: content } }
          const reply = await from.call(['1', content, `conversation:${id}`, 'send_message', payload])
          expect(reply[4]).toEqual({ status: 'ok', response: 'message_sent' })
          acked.push(content)
          if (acked.length === 300) server.child.kill('SIGKILL')
        }
      }
      await Promise.allSettled(Array.from({ length: 20 }, sender))
    }
    await send(client, 0, 700)
    expect(await server.exited).toBe('SIGKILL')
    expect(acked.length).toBeGreaterThanOrEqual(300)
    server = await startServer({ DATABASE_URL })
    client = await connect(server, ann)
    await send(client, 700, 1_000)

    const sql = postgres(DATABASE_URL, { max: 1 })
    const rows = await sql<
      { content: string; seq: number }[]
    >`select content, seq from ${sql.unsafe(STORED_COPIES)} order by seq`
    const [conversation] = await sql`select last_seq::int from conversations`
    await sql.end()
    const stored = rows.map(({ content }) => content)
    expect(new Set(stored).size).toBe(stored.length)
    expect(acked.filter((content) => !stored.includes(content))).toEqual([])
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, i) => i + 1))
    expect(conversation?.last_seq).toBe(rows.length)
  })
})
