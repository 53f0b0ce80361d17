import { createHash, randomBytes } from 'node:crypto'
import { access, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import type { ByteRange, MediaStore } from '../domain/media.ts'

/** Ids as nanoid makes them: nothing else becomes part of a path. */
const ID = /^[\w-]{21}$/
const INCOMING = /^([\w-]{21})\.([0-9a-f]{8}-(\d+)-[0-9a-f]{8})$/

/** A received file that is not kept yet, under the name it has in `incoming`. */
interface Incoming {
  name: string
  id: string
  /** The process that received it: machine, process id, and what tells it from others of that id. */
  owner: string
  pid: number
}

/**
 * Files in a folder: `incoming/<id>.<owner>` until they are kept, then `<first two characters>/<rest of the id>`. Processes
 * can share it, those of other machines too.
 */
export class DiskMedia implements MediaStore {
  readonly #dir: string
  readonly #machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)
  readonly #owner = `${this.#machine}-${process.pid}-${randomBytes(4).toString('hex')}`
  /** The sizes of the unknown files that the last `recover` left alone. */
  #left = new Map<string, number>()

  /** @param dir is made when it is needed. */
  constructor(dir: string) {
    this.#dir = dir
  }

  async receive(id: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#incoming(id)
    await mkdir(dirname(path), { recursive: true })
    const file = await open(path, 'wx', 0o600)
    try {
      await writeAll(file, bytes)
      await syncFolder(dirname(path))
    } catch (error) {
      await rm(path, { force: true })
      throw error
    }
  }

  async keep(id: string): Promise<void> {
    await this.#move(this.#incoming(id), id)
  }

  async discard(id: string): Promise<void> {
    await rm(this.#incoming(id), { force: true })
  }

  async open(id: string, range?: ByteRange): Promise<Readable | undefined> {
    if (!ID.test(id)) return undefined
    // It may be moved between the first look and the second.
    for (const path of [this.#kept(id), this.#incoming(id), this.#kept(id)]) {
      const file = await unlessGone(open(path))
      if (file) return file.createReadStream(range)
    }
    return undefined
  }

  async recover(known: (ids: string[]) => Promise<string[]>): Promise<void> {
    const dir = join(this.#dir, 'incoming')
    const files = ((await unlessGone(readdir(dir))) ?? []).flatMap(readName)
    const toKeep = new Set(await known(files.map(({ id }) => id)))
    const left = new Map<string, number>()
    for (const file of files) {
      const path = join(dir, file.name)
      const size = (await unlessGone(stat(path)))?.size
      if (toKeep.has(file.id)) await this.#move(path, file.id)
      else if (this.#hasDied(file) || this.#left.get(file.name) === size) await rm(path, { force: true })
      else if (size !== undefined) left.set(file.name, size)
    }
    this.#left = left
  }

  /** Whether its process is gone. Of other machines nothing is known: their files are judged by what becomes of them. */
  #hasDied({ owner, pid }: Incoming): boolean {
    if (owner === this.#owner || !owner.startsWith(`${this.#machine}-`)) return false
    return pid === process.pid || !isAlive(pid)
  }

  async #move(from: string, id: string): Promise<void> {
    const to = this.#kept(id)
    await mkdir(dirname(to), { recursive: true })
    try {
      await rename(from, to)
    } catch (error) {
      // Another process that shares the folder may have kept it first.
      if (!isGone(error)) throw error
      await access(to)
    }
    await syncFolder(dirname(to))
  }

  #incoming(id: string): string {
    return join(this.#dir, 'incoming', `${requireId(id)}.${this.#owner}`)
  }

  #kept(id: string): string {
    return join(this.#dir, requireId(id).slice(0, 2), id.slice(2))
  }
}

async function writeAll(file: FileHandle, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of bytes) await file.writeFile(chunk)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A new name in a folder outlives a power cut only once the folder itself is written. */
async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function readName(name: string): Incoming[] {
  const [, id, owner, pid] = INCOMING.exec(name) ?? []
  return id && owner ? [{ name, id, owner, pid: Number(pid) }] : []
}

function requireId(id: string): string {
  if (!ID.test(id)) throw new Error('This is not an id of stored media.')
  return id
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function unlessGone<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
