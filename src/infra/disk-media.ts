import { access, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import type { ByteRange, MediaStore } from '../domain/media/media-store.ts'
import { syncFolder } from '../sync-folder.ts'
import { isGone, unlessGone } from './files.ts'
import { ProcessOwner } from './process-owner.ts'

/** A nanoid. Nothing else may become part of a path. */
const ID = /^[\w-]{21}$/
const INCOMING = /^([\w-]{21})\.([0-9a-f]{8}-\d+-[0-9a-f]{8})$/

/** A received file in `incoming`, which is not kept yet. */
interface Incoming {
  name: string
  id: string
  /** The name of the process that received it. */
  owner: string
}

/**
 * Stores media in a folder: as `incoming/<id>.<owner>` until they are kept, then as `<first two characters>/<rest of the id>`.
 * Several processes can share the folder, also from different machines.
 */
export class DiskMedia implements MediaStore {
  readonly #dir: string
  readonly #owner = new ProcessOwner()
  /** The sizes of the unknown files that the last `recover` skipped. */
  #skipped = new Map<string, number>()

  /** @param dir is created when needed. */
  constructor(dir: string) {
    this.#dir = dir
  }

  async receive(id: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.#incoming(id)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
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
    // `keep` may move the file between two attempts.
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
    const skipped = new Map<string, number>()
    for (const file of files) {
      const path = join(dir, file.name)
      const size = (await unlessGone(stat(path)))?.size
      if (toKeep.has(file.id)) await this.#move(path, file.id)
      else if (this.#owner.hasEnded(file.owner) || this.#skipped.get(file.name) === size)
        await rm(path, { force: true })
      else if (size !== undefined) skipped.set(file.name, size)
    }
    this.#skipped = skipped
  }

  async #move(from: string, id: string): Promise<void> {
    const to = this.#kept(id)
    await mkdir(dirname(to), { recursive: true, mode: 0o700 })
    try {
      await rename(from, to)
    } catch (error) {
      // Another process that shares the folder may have kept the file already.
      if (!isGone(error)) throw error
      await access(to)
    }
    await syncFolder(dirname(to))
  }

  #incoming(id: string): string {
    return join(this.#dir, 'incoming', `${requireId(id)}.${this.#owner.name}`)
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

function readName(name: string): Incoming[] {
  const [, id, owner] = INCOMING.exec(name) ?? []
  return id && owner ? [{ name, id, owner }] : []
}

function requireId(id: string): string {
  if (!ID.test(id)) throw new Error('Not an id of stored media')
  return id
}
