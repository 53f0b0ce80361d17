import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildApp } from '../../src/app.ts'
import { readConfig } from '../../src/config/config.ts'

/** Where the demo takes place. */
export interface Stage {
  url: string
  /** What to tell about it. */
  description: string
  stop(): Promise<void>
}

const USUAL_URL = 'http://127.0.0.1:4000'

/** The server at `url`; without one, the server that runs at the usual address, or else one made for the occasion. */
export async function findStage(url: string | undefined): Promise<Stage> {
  if (url) return visit(url.replace(/\/+$/, ''))
  return (await isReady(USUAL_URL)) ? visit(USUAL_URL) : build()
}

function visit(url: string): Stage {
  return { url, description: `The server at ${url}`, stop: async () => {} }
}

async function build(): Promise<Stage> {
  const dir = await mkdtemp(join(tmpdir(), 'parley-demo-'))
  const removeDir = () => rm(dir, { recursive: true, force: true })
  try {
    const app = await buildApp(readConfig({ DATA_DIR: dir, PORT: '0', LOG_LEVEL: 'error' }))
    const stop = () => app.close().finally(removeDir)
    const url = await app.listen()
    return { url, description: `A server of its own at ${url}, gone at the end`, stop }
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
