import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { nanoid } from 'nanoid'
import { describe, expect, it } from 'vitest'
import type { MediaStore } from '../../src/domain/media.ts'
import { DiskMedia } from '../../src/infra/disk-media.ts'
import { temporaryFolder } from '../support/folder.ts'

/** A store, and the way back to what it holds. */
interface Shelf {
  store: MediaStore
  /** The same store in a process that starts after this one was killed. */
  restart(): MediaStore
  /** How many files there are, kept and on their way. */
  fileCount(): number
}

const shelves: Record<string, () => Shelf> = {
  DiskMedia() {
    const dir = temporaryFolder()
    const files = () =>
      readdirSync(dir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
    return { store: new DiskMedia(dir), restart: () => new DiskMedia(dir), fileCount: () => files().length }
  },
}

const nobody = async () => []
const everybody = async (ids: string[]) => ids

async function* inChunks(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

/** Bytes that stop coming, as of a client that went away without a word. */
async function* unfinished(arrived: () => void): AsyncGenerator<Uint8Array> {
  yield Buffer.from('half a')
  arrived()
  await new Promise(() => {})
}

async function textOf(bytes: Readable | undefined): Promise<string | undefined> {
  return bytes && (await buffer(bytes)).toString()
}

describe.each(Object.entries(shelves))('%s', (_name, open) => {
  it('gives back the bytes it was given, in their order', async () => {
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
  ])('gives the part %o alone', async (range, part) => {
    const { store } = open()
    const id = nanoid()
    await store.receive(id, inChunks('par', 'ley'))
    await store.keep(id)
    expect(await textOf(await store.open(id, range))).toBe(part)
  })

  it('has a received file, too, between its being told of and its being kept', async () => {
    const { store } = open()
    const id = nanoid()
    await store.receive(id, inChunks('parley'))
    expect(await textOf(await store.open(id))).toBe('parley')
  })

  it('goes on giving what was opened before it was kept', async () => {
    const { store } = open()
    const id = nanoid()
    await store.receive(id, inChunks('parley'))
    const opened = await store.open(id)
    await store.keep(id)
    expect(await textOf(opened)).toBe('parley')
  })

  it('keeps files apart that come at once', async () => {
    const { store } = open()
    const ids = Array.from({ length: 20 }, () => nanoid())
    await Promise.all(ids.map((id) => store.receive(id, inChunks('I am ', id))))
    await Promise.all(ids.map((id) => store.keep(id)))
    const texts = await Promise.all(ids.map(async (id) => textOf(await store.open(id))))
    expect(texts).toEqual(ids.map((id) => `I am ${id}`))
  })

  it('does not write over a file', async () => {
    const { store } = open()
    const id = nanoid()
    await store.receive(id, inChunks('first'))
    await expect(store.receive(id, inChunks('second'))).rejects.toThrow()
    expect(await textOf(await store.open(id))).toBe('first')
  })

  it('leaves nothing of a discarded file, and discards what is not there', async () => {
    const { store, fileCount } = open()
    const id = nanoid()
    await store.receive(id, inChunks('parley'))
    await store.discard(id)
    await store.discard(id)
    expect(await store.open(id)).toBeUndefined()
    expect(fileCount()).toBe(0)
  })

  it('leaves nothing of a file whose bytes fail on the way, and says why', async () => {
    const { store, fileCount } = open()
    const id = nanoid()
    async function* failing() {
      yield Buffer.from('par')
      throw new Error('the line went dead')
    }
    await expect(store.receive(id, failing())).rejects.toThrow('the line went dead')
    expect(await store.open(id)).toBeUndefined()
    expect(fileCount()).toBe(0)
  })

  it('has nothing under an id it was never given, nor under what is none', async () => {
    const { store } = open()
    for (const id of [nanoid(), '', '../../../../etc/passwd', 'x'.repeat(21), `${'x'.repeat(20)}\0`]) {
      expect(await store.open(id)).toBeUndefined()
    }
  })

  it('takes no id that could lead elsewhere', async () => {
    const { store, fileCount } = open()
    for (const id of ['../outside-of-the-dir', `${'x'.repeat(20)}/`, `..${'x'.repeat(19)}`, '']) {
      await expect(store.receive(id, inChunks('x'))).rejects.toThrow()
    }
    expect(fileCount()).toBe(0)
  })

  describe('after the process was killed', () => {
    it('keeps what was told of, and removes what was not', async () => {
      const { store, restart, fileCount } = open()
      const [told, untold] = [nanoid(), nanoid()]
      await store.receive(told, inChunks('told'))
      await store.receive(untold, inChunks('untold'))
      const asked: string[] = []
      const next = restart()
      await next.recover(async (ids) => {
        asked.push(...ids)
        return [told]
      })
      expect(asked.sort()).toEqual([told, untold].sort())
      expect(await textOf(await next.open(told))).toBe('told')
      expect(await next.open(untold)).toBeUndefined()
      expect(fileCount()).toBe(1)
    })

    it('removes what never arrived whole', async () => {
      const { store, restart, fileCount } = open()
      await new Promise<void>((arrived) => void store.receive(nanoid(), unfinished(arrived)))
      expect(fileCount()).toBe(1)
      await restart().recover(nobody)
      expect(fileCount()).toBe(0)
    })

    it('does not ask about what was kept, and has it still', async () => {
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

  describe('while it works', () => {
    it('recovers without touching what is on its way', async () => {
      const { store } = open()
      const id = nanoid()
      await store.receive(id, inChunks('parley'))
      await store.recover(nobody)
      await store.keep(id)
      expect(await textOf(await store.open(id))).toBe('parley')
    })

    it('keeps what somebody else has kept for it', async () => {
      const { store } = open()
      const id = nanoid()
      await store.receive(id, inChunks('parley'))
      await store.recover(everybody)
      await store.keep(id)
      expect(await textOf(await store.open(id))).toBe('parley')
    })

    it('removes what nobody told of until the next time', async () => {
      const { store, fileCount } = open()
      await store.receive(nanoid(), inChunks('parley'))
      await store.recover(nobody)
      expect(fileCount()).toBe(1)
      await store.recover(nobody)
      expect(fileCount()).toBe(0)
    })
  })

  it('is empty before anything was stored', async () => {
    const { store } = open()
    await store.recover(everybody)
    expect(await store.open(nanoid())).toBeUndefined()
  })
})

describe('DiskMedia', () => {
  it('lays files that nobody else can read into folders of two letters', async () => {
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
    ['a process that is gone', true, (own) => ({ ...own, pid: pidOfTheDead() })],
    ['a process that lives', false, (own) => ({ ...own, pid: process.ppid })],
    ['a process of another machine', false, (own) => ({ ...own, machine: '0badcafe', pid: pidOfTheDead() })],
  ])('when it starts, treats what %s receives as lost: %s', async (_whose, isRemoved, become) => {
    const dir = temporaryFolder()
    await new DiskMedia(dir).receive(nanoid(), inChunks('parley'))
    giveAway(dir, become)
    await new DiskMedia(dir).recover(nobody)
    expect(readdirSync(join(dir, 'incoming'))).toHaveLength(isRemoved ? 0 : 1)
  })
})

interface Owner {
  machine: string
  pid: number
}

/** Makes the one file on its way that of another process. */
function giveAway(dir: string, become: (own: Owner) => Owner): void {
  const [name] = readdirSync(join(dir, 'incoming')) as [string]
  const [id, own] = name.split('.') as [string, string]
  const [machine, pid, rest] = own.split('-') as [string, string, string]
  const owner = become({ machine, pid: Number(pid) })
  const other = `${id}.${owner.machine}-${owner.pid}-${rest}`
  renameSync(join(dir, 'incoming', name), join(dir, 'incoming', other))
}

function pidOfTheDead(): number {
  return spawnSync(process.execPath, ['--version']).pid
}
