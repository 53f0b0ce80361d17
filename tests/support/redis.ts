import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import { onTestFinished } from 'vitest'
import { temporaryFolder } from './folder.ts'
import { freePort } from './free-port.ts'

/** The Redis server for tests. Without it, tests that need Redis are skipped, also those that start their own server. */
export const redisUrl = process.env.REDIS_URL

export interface RedisProcess {
  url: string
  start(): Promise<void>
  /** Kills the server, as a crash would. */
  stop(): Promise<void>
}

/** Starts a Redis server for one test. `cluster`: a cluster of one node with all slots. */
export async function startRedis({ cluster = false } = {}): Promise<RedisProcess> {
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  const settings = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', temporaryFolder()]
  const clusterSettings = cluster ? ['--cluster-enabled', 'yes', '--cluster-port', await freePort()] : []
  let server: ChildProcess | undefined

  async function start() {
    server = spawn('redis-server', [...settings, ...clusterSettings].map(String), { stdio: 'ignore' })
    await untilReady(url, cluster)
  }
  async function stop() {
    if (server?.exitCode !== null || server.signalCode !== null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
  onTestFinished(stop)
  await start()
  return { url, start, stop }
}

async function untilReady(url: string, cluster: boolean): Promise<void> {
  const client = createClient({ url, socket: { reconnectStrategy: 50 } })
  client.on('error', () => {})
  await client.connect()
  if (cluster) {
    const slots = (await client.sendCommand(['CLUSTER', 'SLOTS'])) as unknown[]
    if (slots.length === 0) await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383'])
    for (;;) {
      const info = String(await client.sendCommand(['CLUSTER', 'INFO']))
      if (info.includes('cluster_state:ok')) break
      await sleep(50)
    }
  }
  client.destroy()
}
