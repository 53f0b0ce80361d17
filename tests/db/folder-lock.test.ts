import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { lockFolder } from '../../src/db/folder-lock.ts'
import { temporaryFolder } from '../support/folder.ts'
import { rounds } from '../support/stress.ts'

/** Takes the folder that is its argument and prints how that went. It keeps the folder until it is killed. */
const HOLDER = `
  import { lockFolder } from '${new URL('../../dist/db/folder-lock.js', import.meta.url)}'
  try {
    await lockFolder(process.argv[1])
    console.log('held by ' + process.pid)
    setInterval(() => {}, 60_000)
  } catch (error) {
    console.log(error.message)
  }`
/** Runs a command as process 1 of a namespace of its own, as a container does. */
const CONTAINER = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc']

const [unshare = '', ...isolated] = CONTAINER
const refusal = spawnSync(unshare, [...isolated, 'true'], { encoding: 'utf8' })
const canIsolate = refusal.status === 0
if (!canIsolate) console.warn(`Not tested: locks across pid namespaces (${refusal.stderr || refusal.error})`)

/** Starts a process that takes the folder, or says why it cannot. */
async function startHolder(dir: string, wrap: string[] = []) {
  const [command = '', ...args] = [...wrap, process.execPath, '--input-type=module', '--eval', HOLDER, dir]
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [said] = await once(child.stdout, 'data')
  return {
    said: String(said),
    child,
    async kill() {
      child.kill('SIGKILL')
      await once(child, 'close')
    },
  }
}

function databaseFolder(): string {
  return join(temporaryFolder(), 'database')
}

async function acquire(dir: string): Promise<() => Promise<void>> {
  const release = await lockFolder(dir)
  onTestFinished(release)
  return release
}

/** Leaves a socket behind as a process does that is killed. */
async function leaveDeadSocket(dir: string): Promise<void> {
  const folder = `${dir}.lock`
  mkdirSync(folder, { recursive: true })
  const server = createServer().listen(join(folder, 'bound'))
  await once(server, 'listening')
  renameSync(join(folder, 'bound'), join(folder, `1700000000000.${process.pid}.0123456789abcdef`))
  server.close()
  await once(server, 'close')
}

describe('the lock of the embedded database', () => {
  it.runIf(canIsolate)('holds across containers, whose processes all have the id 1', async () => {
    const dir = databaseFolder()
    const first = await startHolder(dir, CONTAINER)
    expect(first.said).toContain('held by 1')
    const second = await startHolder(dir, CONTAINER)
    expect(second.said).toContain('in use by process 1 ')
    await expect(acquire(dir)).rejects.toThrow('in use by process 1 ')
    await first.kill()
    const third = await startHolder(dir, CONTAINER)
    expect(third.said).toContain('held by 1')
  })

  it('is held while its process is paused, and released when it ends', async () => {
    const dir = databaseFolder()
    const holder = await startHolder(dir)
    holder.child.kill('SIGSTOP')
    await expect(acquire(dir)).rejects.toThrow(`in use by process ${holder.child.pid}`)
    const [socket = ''] = readdirSync(`${dir}.lock`)
    let code: string | undefined
    while (code === undefined) code = await handshakeRequest(join(`${dir}.lock`, socket))
    expect(code).toBe('EAGAIN')
    await expect(acquire(dir)).rejects.toThrow(`in use by process ${holder.child.pid}`)
    await holder.kill()
    await acquire(dir)
  })

  it('goes to one of several processes that start together after a crash', async () => {
    for (let round = 0; round < rounds(1, 5); round++) {
      const dir = databaseFolder()
      await leaveDeadSocket(dir)
      const tries = await Promise.allSettled(Array.from({ length: 6 }, () => acquire(dir)))
      expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(readdirSync(`${dir}.lock`)).toHaveLength(1)
    }
  })

  it('leaves no files when it is released', async () => {
    const dir = databaseFolder()
    const release = await acquire(dir)
    await release()
    expect(readdirSync(`${dir}.lock`)).toEqual([])
    await acquire(dir)
  })

  it('does not depend on how long the path is', async () => {
    const dir = join(temporaryFolder(), 'long'.repeat(40), 'database')
    await acquire(dir)
    await expect(acquire(dir)).rejects.toThrow(`in use by process ${process.pid}`)
  })

  it('respects a process of the previous version, and removes its stale file', async () => {
    const dir = databaseFolder()
    const file = `${dir}.pid`
    writeFileSync(file, String(process.ppid))
    await expect(acquire(dir)).rejects.toThrow(`in use by process ${process.ppid}`)
    const { pid } = spawnSync('true')
    writeFileSync(file, String(pid))
    await acquire(dir)
    expect(existsSync(file)).toBe(false)
  })
})

/** Connects and stays, unless that fails. @returns the error. */
function handshakeRequest(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const connection = connect(path)
    onTestFinished(() => void connection.destroy())
    connection.once('connect', () => resolve(undefined))
    connection.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code))
  })
}
