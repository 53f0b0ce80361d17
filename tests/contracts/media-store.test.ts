import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { nanoid } from 'nanoid'
import { describe, expect, it } from 'vitest'
import type { MediaStore } from '../../src/domain/media/media-store.ts'
import { DiskMedia } from '../../src/infra/disk-media.ts'
import { temporaryFolder } from '../support/folder.ts'

/** A store, and access to its files. */
interface StoreContext {
  store: MediaStore
  /** Opens the same store in a process that starts after this one was killed. */
  restart(): MediaStore
  /** The number of files, kept and incoming. */
  fileCount(): number
}

const stores: Record<string, () => StoreContext> = {
  DiskMedia() {
    const dir = temporaryFolder()
    const files = () =>
      readdirSync(dir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
    return { store: new DiskMedia(dir), restart: () => new DiskMedia(dir), fileCount: () => files().length }
  },
}

const noneStored = async () => []
const allStored = async (ids: string[]) => ids

async function* inChunks(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

/** An upload that stalls, as from a client that has disappeared. */
async function* unfinished(arrived: () => void): AsyncGenerator<Uint8Array> {
  yield Buffer.from('half a')
  arrived()
  await new Promise(() => {})
}

async function textOf(bytes: Readable | undefined): Promise<string | undefined> {
  return bytes && (await buffer(bytes)).toString()
}

describe.each(Object.entries(stores))('%s', (_name, open) => {
  it('returns the bytes it received, in order', async () => {
    const { store } = open()
    const id = nanoid()
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251))
    await store.receive(id, inChunks(bytes.subarray(0, 1), bytes.subarray(1, 70_000), bytes.subarray(70_000)))
    await store.keep(id)
    const found = await store.open(id)
    expect((await buffer(found!)).equals(bytes)).toBe(true)
  })

  it.each([
    [{ start: 0, end: 0 }, 'p'],
    [{ start: 2, end: 4 }, 'rle'],
    [{ start: 4, end: 5 }, 'ey'],
  ])('returns the range %o', async (range, part) => {
    const { store } = open()
    const id = nanoid()
    await store.receive(id, inChunks('par', 'ley'))
    await store.keep(id)
    expect(await textOf(await store.open(id, range))).toBe(part)
  })

  it('serves a received file before it is kept', async () => {
    const { store } = open()
    const id = nanoid()
    await store.receive(id, inChunks('parley'))
    expect(await textOf(await store.open(id))).toBe('parley')
  })

  it('continues to serve a file that was opened before it was kept', async () => {
    const { store } = open()
    const id = nanoid()
    await store.receive(id, inChunks('parley'))
    const opened = await store.open(id)
    await store.keep(id)
    expect(await textOf(opened)).toBe('parley')
  })

  it('keeps concurrent uploads apart', async () => {
    const { store } = open()
    const ids = Array.from({ length: 20 }, () => nanoid())
    await Promise.all(ids.map((id) => store.receive(id, inChunks('I am ', id))))
    await Promise.all(ids.map((id) => store.keep(id)))
    const texts = await Promise.all(ids.map(async (id) => textOf(await store.open(id))))
    expect(texts).toEqual(ids.map((id) => `I am ${id}`))
  })

  it('does not overwrite a file', async () => {
    const { store } = open()
    const id = nanoid()
    await store.receive(id, inChunks('first'))
    await expect(store.receive(id, inChunks('second'))).rejects.toThrow()
    expect(await textOf(await store.open(id))).toBe('first')
  })

  it('deletes a discarded file, and ignores a missing one', async () => {
    const { store, fileCount } = open()
    const id = nanoid()
    await store.receive(id, inChunks('parley'))
    await store.discard(id)
    await store.discard(id)
    expect(await store.open(id)).toBeUndefined()
    expect(fileCount()).toBe(0)
  })

  it('deletes a file whose upload fails, and throws the cause', async () => {
    const { store, fileCount } = open()
    const id = nanoid()
    async function* failing() {
      yield Buffer.from('par')
      throw new Error('connection lost')
    }
    await expect(store.receive(id, failing())).rejects.toThrow('connection lost')
    expect(await store.open(id)).toBeUndefined()
    expect(fileCount()).toBe(0)
  })

  it('returns nothing for an unknown or invalid id', async () => {
    const { store } = open()
    for (const id of [nanoid(), '', '../../../../etc/passwd', 'x'.repeat(21), `${'x'.repeat(20)}\0`]) {
      expect(await store.open(id)).toBeUndefined()
    }
  })

  it('rejects ids that could leave the folder', async () => {
    const { store, fileCount } = open()
    for (const id of ['../outside-of-the-dir', `${'x'.repeat(20)}/`, `..${'x'.repeat(19)}`, '']) {
      await expect(store.receive(id, inChunks('x'))).rejects.toThrow()
    }
    expect(fileCount()).toBe(0)
  })

  describe('after the process was killed', () => {
    it('keeps files with a row, and removes those without', async () => {
      const { store, restart, fileCount } = open()
      const [withRow, withoutRow] = [nanoid(), nanoid()]
      await store.receive(withRow, inChunks('withRow'))
      await store.receive(withoutRow, inChunks('withoutRow'))
      const lookedUp: string[] = []
      const next = restart()
      await next.recover(async (ids) => {
        lookedUp.push(...ids)
        return [withRow]
      })
      expect(lookedUp.sort()).toEqual([withRow, withoutRow].sort())
      expect(await textOf(await next.open(withRow))).toBe('withRow')
      expect(await next.open(withoutRow)).toBeUndefined()
      expect(fileCount()).toBe(1)
    })

    it('removes incomplete files', async () => {
      const { store, restart, fileCount } = open()
      await new Promise<void>((arrived) => void store.receive(nanoid(), unfinished(arrived)))
      expect(fileCount()).toBe(1)
      await restart().recover(noneStored)
      expect(fileCount()).toBe(0)
    })

    it('does not look up kept files, and preserves them', async () => {
      const { store, restart } = open()
      const id = nanoid()
      await store.receive(id, inChunks('kept'))
      await store.keep(id)
      const next = restart()
      await next.recover(async (ids) => {
        expect(ids).toEqual([])
        return []
      })
      expect(await textOf(await next.open(id))).toBe('kept')
    })
  })

  describe('while the process runs', () => {
    it('recovers without touching incoming files', async () => {
      const { store } = open()
      const id = nanoid()
      await store.receive(id, inChunks('parley'))
      await store.recover(noneStored)
      await store.keep(id)
      expect(await textOf(await store.open(id))).toBe('parley')
    })

    it('accepts a file that another process has kept', async () => {
      const { store } = open()
      const id = nanoid()
      await store.receive(id, inChunks('parley'))
      await store.recover(allStored)
      await store.keep(id)
      expect(await textOf(await store.open(id))).toBe('parley')
    })

    it('removes unknown files that have not changed since the last recovery', async () => {
      const { store, fileCount } = open()
      await store.receive(nanoid(), inChunks('parley'))
      await store.recover(noneStored)
      expect(fileCount()).toBe(1)
      await store.recover(noneStored)
      expect(fileCount()).toBe(0)
    })
  })

  it('is initially empty', async () => {
    const { store } = open()
    await store.recover(allStored)
    expect(await store.open(nanoid())).toBeUndefined()
  })
})

describe('DiskMedia', () => {
  it('stores files in folders of two characters, readable by the owner only', async () => {
    const dir = temporaryFolder()
    const store = new DiskMedia(dir)
    const id = nanoid()
    await store.receive(id, inChunks('parley'))
    await store.keep(id)
    const path = join(dir, id.slice(0, 2), id.slice(2))
    expect(readFileSync(path, 'utf8')).toBe('parley')
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it.each<[whose: string, isRemoved: boolean, owner: (own: Owner) => Owner]>([
    ['a process that has exited', true, (own) => ({ ...own, pid: unusedPid() })],
    ['a running process', false, (own) => ({ ...own, pid: process.ppid })],
    ['a process on another machine', false, (own) => ({ ...own, machine: '0badcafe', pid: unusedPid() })],
  ])('removes the incoming files of %s: %s', async (_whose, isRemoved, newOwner) => {
    const dir = temporaryFolder()
    await new DiskMedia(dir).receive(nanoid(), inChunks('parley'))
    changeOwner(dir, newOwner)
    await new DiskMedia(dir).recover(noneStored)
    expect(readdirSync(join(dir, 'incoming'))).toHaveLength(isRemoved ? 0 : 1)
  })
})

interface Owner {
  machine: string
  pid: number
}

/** Renames the only incoming file, as if another process had received it. */
function changeOwner(dir: string, newOwner: (own: Owner) => Owner): void {
  const [name] = readdirSync(join(dir, 'incoming')) as [string]
  const [id, own] = name.split('.') as [string, string]
  const [machine, pid, rest] = own.split('-') as [string, string, string]
  const owner = newOwner({ machine, pid: Number(pid) })
  const other = `${id}.${owner.machine}-${owner.pid}-${rest}`
  renameSync(join(dir, 'incoming', name), join(dir, 'incoming', other))
}

function unusedPid(): number {
  return spawnSync(process.execPath, ['--version']).pid
}
