import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PASSWORD } from './support/app.ts'
import { createTestDatabase } from './support/database.ts'
import { freePort } from './support/free-port.ts'
import { type ServerProcess, spawnServer, startServer } from './support/process.ts'
import { RawClient } from './support/raw-client.ts'
import { KEYS } from './support/talks.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-process-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

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

describe('the process', () => {
  it('starts with nothing but a folder, says what to try, and keeps what it is told', async () => {
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

  it('drains on SIGTERM: clients are sent elsewhere (1012), and it exits with 0', async () => {
    const server = await startServer({ DATA_DIR: temporaryFolder() })
    const ann = await register(server, 'ann')
    const clients = await Promise.all(Array.from({ length: 60 }, () => connect(server, ann)))
    await Promise.all(
      clients.map((client) => client.call(['1', '1', `user:${ann.id}`, 'phx_join', { token: ann.token }])),
    )
    server.child.kill('SIGTERM')
    expect(new Set(await Promise.all(clients.map((client) => client.closed)))).toEqual(new Set([1012]))
    expect(await server.exited).toBe(0)
  })

  it('says in one error everything that is wrong with its configuration, and no secret', async () => {
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

  it('says what to do when its port is taken', async () => {
    const taken = await startServer({ DATA_DIR: temporaryFolder() })
    const { port } = new URL(taken.url)
    const server = await spawnServer({ DATA_DIR: temporaryFolder(), PORT: port })
    expect(await server.exited).toBe(1)
    expect(server.output()).toMatch(/in use\. Set PORT/)
  })

  it('does not open an embedded database that another process has open', async () => {
    const DATA_DIR = temporaryFolder()
    const first = await startServer({ DATA_DIR })
    const second = await spawnServer({ DATA_DIR })
    expect(await second.exited).toBe(1)
    expect(second.output()).toContain(`in use by process ${first.child.pid}`)
    first.child.kill('SIGKILL')
    await first.exited
    await startServer({ DATA_DIR })
  })

  it('says what to do when a vault key is missing that something was sealed with', async () => {
    const DATA_DIR = temporaryFolder()
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

  it('says what to do when it cannot reach PostgreSQL', async () => {
    const server = await spawnServer({ DATABASE_URL: `postgres://nobody@127.0.0.1:${await freePort()}/none` })
    expect(await server.exited).toBe(1)
    expect(server.output()).toContain('DATABASE_URL')
    expect(server.output()).not.toMatch(/^\s+at /m)
  })
})

describe.runIf(process.env.DATABASE_URL)('on PostgreSQL', () => {
  it('killed during 1,000 sends, it has lost no acknowledged message, and made no gap and no duplicate', async () => {
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
    >`select content, seq::int from messages order by seq`
    const [conversation] = await sql`select last_seq::int from conversations`
    await sql.end()
    const stored = rows.map(({ content }) => content)
    expect(new Set(stored).size).toBe(stored.length)
    expect(acked.filter((content) => !stored.includes(content))).toEqual([])
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, i) => i + 1))
    expect(conversation?.last_seq).toBe(rows.length)
  })
})
