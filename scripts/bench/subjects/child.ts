import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** A server process of a subject. */
export interface Child {
  pid: number
  url: string
  stop(): Promise<void>
}

/** Starts a process on a free port (`PORT`), and waits until it listens. @throws if it exits. */
export async function startChild(args: string[], env: Record<string, string>): Promise<Child> {
  const port = await freePort()
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  while (!(await answers(url))) {
    if (child.exitCode !== null) throw new Error(`${args.at(-1)} exited with ${child.exitCode}.`)
    await sleep(50)
  }
  return { pid: child.pid as number, url, stop: () => stop(child, exited) }
}

async function stop(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM')
  await exited
}

/** Any status but 503 counts, because only some subjects have this path. */
async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).status !== 503
  } catch {
    return false
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
