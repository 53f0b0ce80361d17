import { link, mkdir, open, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KeyedLock } from '../client/stores/keyed-lock.ts'
import type { Store, StoredEntry, StoredValue } from '../client/stores/store.ts'
import { isRunning } from '../running-process.ts'
import { syncFolder } from '../sync-folder.ts'

const PROCESS_FILE = 'process'
const VALUE_SUFFIX = '.json'

/**
 * Creates a store in a folder, for Node: one file for each value, readable by its owner only. A value is written to a temporary file,
 * flushed and renamed, so that a process that is killed leaves the old value or the new one. One process may use a folder.
 * @throws when the folder is in use, or a file in it is damaged.
 */
export async function fileStore(folder: string): Promise<Store> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = await realpath(folder)
  if (inUse.has(path)) throw new Error(`The folder ${folder} is already open in this process: use one store.`)
  inUse.add(path)
  try {
    await claim(path)
    return await openFolder(path).catch(async (error) => {
      await rm(join(path, PROCESS_FILE), { force: true })
      throw error
    })
  } catch (error) {
    inUse.delete(path)
    throw error
  }
}

/** Folders of this process. Their files hold its id, which says nothing: in a container each process may have the same one. */
const inUse = new Set<string>()

async function openFolder(folder: string): Promise<Store> {
  const locks = new KeyedLock()
  const values = await readAll(folder)
  const writes = new KeyedLock()
  let isClosed = false
  return {
    get: async (key) => values.get(key),
    update: (key, change) =>
      writes.run(key, async () => {
        if (isClosed) throw new Error('The store was closed.')
        const value = change(values.get(key))
        if (value === undefined) await rm(pathOf(folder, key), { force: true })
        else await write(pathOf(folder, key), JSON.stringify(value))
        await syncFolder(folder)
        if (value === undefined) values.delete(key)
        else values.set(key, value)
        return value
      }),
    async list(prefix) {
      const keys = [...values.keys()].filter((key) => key.startsWith(prefix)).sort()
      return keys.map((key): StoredEntry => ({ key, value: values.get(key) }))
    },
    lock: (name, run) => locks.run(name, run),
    async close() {
      if (isClosed) return
      isClosed = true
      await writes.idle()
      await rm(join(folder, PROCESS_FILE), { force: true })
      inUse.delete(folder)
    },
  }
}

/** Writes the id of this process into the folder, unless that of another process that runs is there. */
async function claim(folder: string): Promise<void> {
  const path = join(folder, PROCESS_FILE)
  for (;;) {
    const own = `${path}.${process.pid}`
    await writeFile(own, `${process.pid}`, { mode: 0o600 })
    try {
      return await link(own, path) // fails if the file exists, and creates it with its content
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw error
    } finally {
      await rm(own, { force: true })
    }
    const owner = Number(await readFile(path, 'utf8').catch(() => '0'))
    if (owner !== process.pid && isRunning(owner)) {
      throw new Error(`Process ${owner} uses the folder ${folder}: each process needs one of its own.`)
    }
    await rm(path, { force: true })
  }
}

function isSystemError(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

async function readAll(folder: string): Promise<Map<string, StoredValue>> {
  const values = new Map<string, StoredValue>()
  for (const name of await readdir(folder)) {
    if (!name.endsWith(VALUE_SUFFIX)) continue
    const key = decodeURIComponent(name.slice(0, -VALUE_SUFFIX.length))
    values.set(key, await readValue(join(folder, name)))
  }
  return values
}

async function readValue(path: string): Promise<StoredValue> {
  const text = await readFile(path, 'utf8')
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Error(`The file ${path} is damaged.`, { cause })
  }
}

function pathOf(folder: string, key: string): string {
  return join(folder, `${encodeURIComponent(key)}${VALUE_SUFFIX}`)
}

async function write(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}
