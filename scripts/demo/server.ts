import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../../src/app.ts'
import { readConfig } from '../../src/config/config.ts'

/** The server of the demo. */
export interface DemoServer {
  url: string
  /** Printed at the start. */
  description: string
  stop(): Promise<void>
}

const DEFAULT_URL = 'http://127.0.0.1:4000'

/** Uses the server at `url`. Default: a server that runs at `DEFAULT_URL`, otherwise a new one. */
export async function findServer(url: string | undefined): Promise<DemoServer> {
  if (url) return useServer(url.replace(/\/+$/, ''))
  return (await isReady(DEFAULT_URL)) ? useServer(DEFAULT_URL) : startServer()
}

function useServer(url: string): DemoServer {
  return { url, description: `The server at ${url}`, stop: async () => {} }
}

async function startServer(): Promise<DemoServer> {
  const dir = await mkdtemp(join(tmpdir(), 'parley-demo-'))
  const removeDir = () => rm(dir, { recursive: true, force: true })
  try {
    const app = await buildApp(readConfig({ DATA_DIR: dir, PORT: '0', LOG_LEVEL: 'error' }))
    const stop = () => app.close().finally(removeDir)
    const url = await app.listen()
    return { url, description: `A server of its own at ${url}, deleted at the end`, stop }
  } catch (error) {
    await removeDir()
    throw error
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`)
    return ((await response.json()) as { status?: unknown }).status === 'ok'
  } catch {
    return false
  }
}
