import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { createClient } from 'redis'
import { cpuSeconds } from '../measure.ts'
import { createDataDir, type Parley, type ParleyClient, removeDataDir, startParley } from './parley.ts'
import { createDatabase } from './postgres.ts'
import type { Client, Subject } from './subject.ts'

/** CPU seconds used so far, by part. */
export interface CpuByPart {
  nodes: number
  /** As reported by the Redis server, which other clients may use too. */
  redis: number
  /** The backends of this database. */
  postgresql: number
  load: number
}

const REDIS_URL = process.env.REDIS_URL || 'redis://127.0.0.1:6379'

/** Several deployments run concurrently, and PostgreSQL accepts 100 connections by default. */
const POOL_SIZE = 4

/** Connections that send nothing must send heartbeats, or they are closed. */
const HEARTBEAT_MS = 30_000

/** Several nodes of Parley. The two users of each private conversation are connected to different nodes. */
export class ParleyNodes implements Subject {
  readonly name: string
  readonly pid: number
  readonly #nodes: readonly Parley[]
  readonly #postgres: postgres.Sql
  readonly #redis: Redis
  readonly #heartbeats: NodeJS.Timeout[] = []
  readonly #cleanUp: () => Promise<void>

  private constructor(
    name: string,
    nodes: readonly Parley[],
    { redis, databaseUrl }: { redis: Redis; databaseUrl: string },
    cleanUp: () => Promise<void>,
  ) {
    this.name = name
    this.pid = (nodes[0] as Parley).pid
    this.#nodes = nodes
    this.#redis = redis
    this.#postgres = postgres(databaseUrl, { max: 1, onnotice: () => {} })
    this.#cleanUp = cleanUp
  }

  /** @param withRedis may be false for a single node. */
  static async start(count: number, withRedis: boolean): Promise<ParleyNodes> {
    const redis = await connectRedis()
    const database = await createDatabase()
    const dataDir = await createDataDir()
    const env = {
      REDIS_URL: withRedis ? REDIS_URL : '',
      SECRET_KEY_BASE: randomBytes(32).toString('hex'),
      VAULT_KEY: randomBytes(32).toString('hex'),
      POOL_SIZE: String(POOL_SIZE),
    }
    const nodes: Parley[] = []
    // Sequentially, because the first one creates the schema.
    while (nodes.length < count) {
      nodes.push(await startParley('parley', { dataDir, databaseUrl: database.url, env }))
    }
    const name = count > 1 ? `${count} nodes` : withRedis ? '1 node' : '1 node, no Redis'
    return new ParleyNodes(name, nodes, { redis, databaseUrl: database.url }, async () => {
      await database.drop()
      await removeDataDir(dataDir)
    })
  }

  async connect(user: number): Promise<ParleyClient> {
    const node = this.#nodes[(Math.floor(user / 2) + (user % 2)) % this.#nodes.length] as Parley
    const client = await node.connect(user)
    this.#heartbeats.push(setInterval(() => client.heartbeat(), HEARTBEAT_MS))
    return client
  }

  startConversation(clients: Client[]): Promise<string> {
    return (this.#nodes[0] as Parley).startConversation(clients)
  }

  async cpu(): Promise<CpuByPart> {
    const { user, system } = process.cpuUsage()
    const backends = await this.#postgres`
      select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`
    const redis = await this.#redis.info('cpu')
    return {
      nodes: sum(this.#nodes.map(({ pid }) => cpuSeconds(pid))),
      redis: sum(
        [...redis.matchAll(/used_cpu_(?:sys|user):([\d.]+)/g)].map(([, seconds]) => Number(seconds)),
      ),
      postgresql: sum(backends.map(({ pid }) => cpuSeconds(pid))),
      load: (user + system) / 1e6,
    }
  }

  async stop(): Promise<void> {
    for (const heartbeat of this.#heartbeats) clearInterval(heartbeat)
    await Promise.all(this.#nodes.map((node) => node.stop()))
    this.#redis.destroy()
    await this.#postgres.end()
    await this.#cleanUp()
  }
}

type Redis = ReturnType<typeof createClient>

/** @throws if there is no Redis. */
async function connectRedis(): Promise<Redis> {
  const redis = createClient({ url: REDIS_URL, socket: { reconnectStrategy: false } })
  redis.on('error', () => {})
  try {
    await redis.connect()
  } catch (cause) {
    throw new Error(`The scenario of several nodes requires Redis at ${REDIS_URL} (REDIS_URL).`, { cause })
  }
  return redis as Redis
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
