import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Node } from './node.ts'
import { PostgresServer } from './postgres-server.ts'
import { RedisServer } from './redis-server.ts'
import { TcpProxy } from './tcp-proxy.ts'

export interface ClusterOptions {
  nodes: number
  /** Added to every node's environment. */
  env?: Record<string, string | undefined>
}

/** A node, and its proxies to the shared services. */
export interface Member {
  node: Node
  toPostgres: TcpProxy
  toRedis: TcpProxy
}

/** Several server processes with a PostgreSQL and a Redis server of their own. */
export class Cluster {
  readonly postgres: PostgresServer
  readonly redis: RedisServer
  readonly members: readonly Member[]
  readonly #folder: string

  private constructor(
    folder: string,
    { postgres, redis, members }: Pick<Cluster, 'postgres' | 'redis' | 'members'>,
  ) {
    this.#folder = folder
    this.postgres = postgres
    this.redis = redis
    this.members = members
  }

  static async start({ nodes, env = {} }: ClusterOptions): Promise<Cluster> {
    const folder = mkdtempSync(join(tmpdir(), 'parley-cluster-'))
    const [postgres, redis] = await Promise.all([PostgresServer.start(), RedisServer.start()])
    const members = await Promise.all(
      Array.from({ length: nodes }, async (_, index) => {
        const toPostgres = await TcpProxy.open(() => postgres.port)
        const toRedis = await TcpProxy.open(() => redis.port)
        const node = await Node.make(`node ${index + 1}`, {
          SECRET_KEY_BASE: 'a secret key base for tests only: long enough',
          VAULT_KEY: 'a vault key for tests only: long enough',
          DATA_DIR: folder,
          DATABASE_URL: `postgres://postgres@127.0.0.1:${toPostgres.port}/postgres`,
          REDIS_URL: `redis://127.0.0.1:${toRedis.port}`,
          LOG_LEVEL: 'warn',
          ...env,
        })
        return { node, toPostgres, toRedis }
      }),
    )
    const cluster = new Cluster(folder, { postgres, redis, members })
    await Promise.all(cluster.nodes.map((node) => node.start()))
    return cluster
  }

  get nodes(): Node[] {
    return this.members.map(({ node }) => node)
  }

  async dispose(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
    await Promise.all(
      this.members.flatMap(({ toPostgres, toRedis }) => [toPostgres.close(), toRedis.close()]),
    )
    await Promise.all([this.postgres.dispose(), this.redis.dispose()])
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
