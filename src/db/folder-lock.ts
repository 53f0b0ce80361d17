import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isRunning } from '../running-process.ts'

/** The socket of this process in the lock folder. */
interface PublishedSocket {
  name: string
  withdraw(): Promise<void>
}

/** `<time>.<process id>.<random>`: names are never reused, so that any process may remove a dead socket. */
const PUBLISHED = /^\d{13}\.(\d+)\.[0-9a-f]{16}$/

/** A Unix socket address has 104 bytes on macOS and 108 on Linux, including a final zero. */
const MAX_ADDRESS_BYTES = 103
const MAX_NAME_BYTES = '/1700000000000.4194304.0123456789abcdef.new'.length

/** How often, and at what interval, to check whether processes that started later have given up. */
const MAX_CHECKS = 100
const CHECK_INTERVAL_MS = 50

/**
 * Locks the folder of the embedded database for this process: two processes that open it would overwrite each other's rows.
 *
 * Each process listens on a Unix socket in `<dir>.lock`. The kernel accepts connections to the socket while the process exists, in any
 * container and even while it is paused, and refuses them afterwards. A process has the lock once it has published its socket and then
 * finds no other live one: of two that start together, at least one finds the other. The one that started later, by the time in
 * its name, gives up, and the other waits for that.
 * @returns the function that releases the lock.
 * @throws when a running process on this machine has the lock.
 */
export async function lockFolder(dir: string): Promise<() => Promise<void>> {
  const folder = `${dir}.lock`
  for (const path of [dir, folder]) await mkdir(path, { recursive: true, mode: 0o700 })
  const socket = await publishSocket(folder)
  try {
    await acquire(dir, folder, socket.name)
    await refusePreviousVersion(dir)
  } catch (error) {
    await socket.withdraw()
    throw error
  }
  return () => socket.withdraw()
}

async function acquire(dir: string, folder: string, own: string): Promise<void> {
  for (let check = 1; ; check++) {
    const first = (await findOthers(folder, own)).sort()[0]
    if (first === undefined) return
    if (first < own || check === MAX_CHECKS) throw inUse(dir, Number(PUBLISHED.exec(first)?.[1]))
    await sleep(CHECK_INTERVAL_MS)
  }
}

/** The socket is renamed once it listens: before, it looks like that of a process that has ended. */
async function publishSocket(folder: string): Promise<PublishedSocket> {
  const name = `${Date.now()}.${process.pid}.${randomBytes(8).toString('hex')}`
  const server = createServer((connection) => connection.destroy()).unref()
  await atShortPath(folder, (path) => listen(server, join(path, `${name}.new`)))
  await chmod(join(folder, `${name}.new`), 0o600)
  await rename(join(folder, `${name}.new`), join(folder, name))
  return {
    name,
    async withdraw() {
      await rm(join(folder, name), { force: true })
      server.close()
    },
  }
}

/** Finds the live sockets of other processes, and removes dead ones. */
async function findOthers(folder: string, own: string): Promise<string[]> {
  const others: string[] = []
  for (const name of await readdir(folder)) {
    if (!PUBLISHED.test(name) || name === own) continue
    if (await atShortPath(folder, (path) => isAlive(join(path, name)))) others.push(name)
    else await rm(join(folder, name), { force: true })
  }
  return others
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const message = `Cannot create a Unix socket in ${path}: ${cause.code}. Set DATA_DIR to a folder on a local file system, or use PostgreSQL (DATABASE_URL).`
      reject(new Error(message, { cause }))
    })
    server.listen(path, resolve)
  })
}

/** Any answer but a refusal means that the process exists: a paused one accepts some connections, then answers EAGAIN. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(path)
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', ({ code }: NodeJS.ErrnoException) => {
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT')
    })
  })
}

/** Calls `use` with a path to the folder that is short enough for a socket address. */
async function atShortPath<T>(folder: string, use: (path: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(folder) + MAX_NAME_BYTES <= MAX_ADDRESS_BYTES) return use(folder)
  if (process.platform !== 'linux') {
    throw new Error(`The path ${folder} is too long for a Unix socket: set DATA_DIR to a shorter path.`)
  }
  const handle = await open(folder)
  try {
    return await use(`/proc/self/fd/${handle.fd}`)
  } finally {
    await handle.close()
  }
}

/** The previous version wrote its process id to `<dir>.pid`, and may still be running during an update. */
async function refusePreviousVersion(dir: string): Promise<void> {
  const file = `${dir}.pid`
  const holder = Number(await readFile(file, 'utf8').catch(() => ''))
  if (holder !== process.pid && isRunning(holder)) {
    throw new Error(`${inUse(dir, holder).message} If that process is not Parley, delete ${file}.`)
  }
  await rm(file, { force: true })
}

function inUse(dir: string, pid: number): Error {
  return new Error(
    `The database in ${dir} is in use by process ${pid} (its id in its own container). Stop that process, set another DATA_DIR, or use PostgreSQL (DATABASE_URL).`,
  )
}
