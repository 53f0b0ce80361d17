import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { freePort } from './free-port.ts'

export const SECRETS = {
  SECRET_KEY_BASE: 'a secret key base for tests only: long enough',
  VAULT_KEY: 'a vault key for tests only: long enough',
}

export interface ServerProcess {
  url: string
  child: ChildProcess
  /** Everything printed so far, to both streams. */
  output(): string
  /** Resolves with the exit code or the signal. */
  exited: Promise<number | string>
}

/** `wrap` changes the command that starts the server. The process then gets its own process group. */
export interface SpawnOptions {
  wrap?: (command: string[]) => string[]
}

const COMMAND = [process.execPath, fileURLToPath(new URL('../../dist/main.js', import.meta.url))]

/** Starts a server process without waiting until it is ready. It is killed when the test has finished. */
export async function spawnServer(
  env: Record<string, string>,
  { wrap }: SpawnOptions = {},
): Promise<ServerProcess> {
  const port = env.PORT ?? String(await freePort())
  const [command = '', ...args] = wrap?.(COMMAND) ?? COMMAND
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, RATE_LIMITS: 'off', ...SECRETS, ...env, PORT: port },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: wrap !== undefined,
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      printed += chunk
    })
  }
  const exited = once(child, 'close').then(([code, signal]) => code ?? signal)
  onTestFinished(async () => {
    if (wrap) killGroup(child)
    else child.kill('SIGKILL')
    await exited
  })
  return { url: `http://127.0.0.1:${port}`, child, output: () => printed, exited }
}

/** Starts a server process and waits until it is ready. @throws if it exits. */
export async function startServer(
  env: Record<string, string>,
  options?: SpawnOptions,
): Promise<ServerProcess> {
  const server = await spawnServer(env, options)
  let gone = false
  void server.exited.then(() => {
    gone = true
  })
  while (!(await isReady(server.url))) {
    if (gone) throw new Error(`The server did not start: ${server.output()}`)
    await sleep(50)
  }
  return server
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).ok
  } catch {
    return false
  }
}

/** Does nothing if all processes have ended. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid) process.kill(-pid, 'SIGKILL')
  } catch {}
}
