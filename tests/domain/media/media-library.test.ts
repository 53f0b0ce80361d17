import { buffer } from 'node:stream/consumers'
import { beforeEach, describe, expect, it } from 'vitest'
import type { MediaLibrary } from '../../../src/domain/media/media-library.ts'
import type { MediaStore } from '../../../src/domain/media/media-store.ts'
import { DiskMedia } from '../../../src/infra/disk-media.ts'
import { addUser } from '../../support/account-services.ts'
import { resultOf } from '../../support/chat-services.ts'
import { truncateAll } from '../../support/database.ts'
import { temporaryFolder } from '../../support/folder.ts'
import { gif, mp3, mp4, png, voice, wav } from '../../support/media.ts'
import { addRoom, openLibrary, storeUpload } from '../../support/media-library.ts'
import { setUpDatabase } from '../../support/set-up-database.ts'

const db = setUpDatabase()

/** Ann, and a room of hers. */
let ann: { roomId: string; ownerId: string }
beforeEach(async () => {
  await truncateAll(db)
  const ownerId = await addUser(db, 'ann@example.com')
  ann = { ownerId, roomId: await addRoom(db, ownerId) }
})

const HTML = Buffer.from('<!doctype html><script>alert(1)</script>'.repeat(200))

async function mediaRows(): Promise<Record<string, unknown>[]> {
  return db.rows('select id, format, content_type, size::float8 from media order by id', [])
}

/** The query of a URL, as a server gets it. */
function linkOf(library: MediaLibrary, id: string) {
  const url = new URL(library.url(id))
  return { url, query: Object.fromEntries(url.searchParams) }
}

async function bytesOf(library: MediaLibrary, id: string): Promise<Buffer> {
  return buffer(await library.open(id))
}

async function failure(promise: Promise<unknown>): Promise<object> {
  return promise.then(
    () => ({ code: 'none' }),
    (error) => error,
  )
}

describe('receiving', () => {
  it('detects the format from the bytes', async () => {
    const { library } = openLibrary(db)
    const upload = await library.receive([png()], ann)
    expect(upload).toMatchObject({ format: 'image', contentType: 'image/png', size: png().length, ...ann })
    expect(upload.id).toMatch(/^[\w-]{21}$/)
    expect(upload.filename).toBe(`${upload.id}.png`)
  })

  it.each([
    ['a video', undefined, 'video/mp4'],
    ['a video, named so', 'video', 'video/mp4'],
    ['the sound of it, when its sender says so', 'audio', 'audio/mp4'],
  ] as const)('takes a file that can be both for %s', async (_what, declaredFormat, contentType) => {
    const { library } = openLibrary(db)
    expect(await library.receive([mp4()], { ...ann, declaredFormat })).toMatchObject({ contentType })
  })

  it('accepts the declared format after the file', async () => {
    const { library } = openLibrary(db)
    const upload = await library.receive([voice()], ann)
    expect(library.withFormat(upload, 'audio')).toMatchObject({
      id: upload.id,
      format: 'audio',
      contentType: 'audio/webm',
    })
    expect(() => library.withFormat(upload, 'image')).toThrow(
      expect.objectContaining({ code: 'media_mismatch' }),
    )
  })

  it.each([
    ['a picture that is a sound', mp3(), 'image', 'must be audio'],
    ['a video that is a picture', gif(), 'video', 'must be image'],
    ['a video that is only sound', wav(), 'video', 'must be audio'],
    ['a picture that is a video', mp4(), 'image', 'must be video or audio'],
  ] as const)(
    'rejects %s with a reason, and stores nothing',
    async (_what, bytes, declaredFormat, message) => {
      const { library, fileCount } = openLibrary(db)
      const error = await failure(library.receive([bytes], { ...ann, declaredFormat }))
      expect(error).toMatchObject({ code: 'media_mismatch', fields: { media_format: [message] } })
      expect(fileCount()).toBe(0)
    },
  )

  it('rejects an empty file, and stores nothing', async () => {
    const { library, fileCount } = openLibrary(db)
    for (const bytes of [[], [Buffer.alloc(0)]]) {
      const error = await failure(library.receive(bytes, ann))
      expect(error).toMatchObject({ code: 'validation_failed', fields: { file: ['is empty'] } })
    }
    expect(fileCount()).toBe(0)
  })

  it('accepts a file of the maximum size, and rejects one byte more', async () => {
    const { library, fileCount } = openLibrary(db, { maxMediaBytes: 50_000 })
    const whole = Buffer.concat([png(), Buffer.alloc(50_000 - png().length)])
    expect(await library.receive([whole], ann)).toMatchObject({ size: 50_000 })
    const [start, end] = [whole.subarray(0, 20_000), whole.subarray(20_000)]
    expect(await resultOf(library.receive([start, end, Buffer.alloc(1)], ann))).toBe('media_too_large')
    expect(fileCount()).toBe(1)
  })

  it('stops reading as soon as the file is known to be invalid', async () => {
    const { library, fileCount } = openLibrary(db)
    let read = 0
    async function* page() {
      for (; read < 100; read++) yield HTML.subarray(0, 1_000)
    }
    expect(await resultOf(library.receive(page(), ann))).toBe('media_refused')
    expect(read).toBeLessThan(6)
    expect(fileCount()).toBe(0)
  })

  it('detects a file that arrives byte by byte', async () => {
    const { library } = openLibrary(db)
    const bytes = wav()
    const upload = await library.receive(
      Array.from(bytes, (byte) => Uint8Array.of(byte)),
      ann,
    )
    expect(upload).toMatchObject({ contentType: 'audio/wav', size: bytes.length })
    expect((await bytesOf(library, upload.id)).equals(bytes)).toBe(true)
  })

  it('deletes a file that is not received completely', async () => {
    const { library, fileCount } = openLibrary(db)
    async function* cut() {
      yield png()
      yield Buffer.alloc(10_000)
      throw new Error('gone')
    }
    await expect(library.receive(cut(), ann)).rejects.toThrow('gone')
    expect(fileCount()).toBe(0)
  })

  it('rejects with a retry delay when the disk is full', async () => {
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    const store = Object.assign(new DiskMedia(temporaryFolder()), { receive: () => Promise.reject(full) })
    const { library } = openLibrary(db, { store })
    expect(await failure(library.receive([png()], ann))).toMatchObject({ code: 'busy', cause: full })
  })

  it('accepts eight concurrent files of a user, and the next when one has ended', async () => {
    const { library } = openLibrary(db)
    const finish: (() => void)[] = []
    const slow = async function* () {
      yield png()
      await new Promise<void>((resolve) => finish.push(resolve))
    }
    const uploads = Array.from({ length: 8 }, () => library.receive(slow(), ann))
    expect(await resultOf(library.receive([png()], ann))).toBe('rate_limited')
    const ben = await addUser(db, 'ben@example.com')
    expect(await resultOf(library.receive([png()], { ...ann, ownerId: ben }))).toBe('ok')
    await expect.poll(() => finish.length, { timeout: 30_000 }).toBe(8)
    finish.shift()!()
    await Promise.race(uploads)
    expect(await resultOf(library.receive([png()], ann))).toBe('ok')
    for (const one of finish) one()
    await Promise.all(uploads)
  })
})

describe('storing', () => {
  it('makes the file visible only after the commit', async () => {
    const { library } = openLibrary(db)
    const upload = await library.receive([png()], ann)
    const { query } = linkOf(library, upload.id)
    expect(await resultOf(library.follow(upload.id, query))).toBe('not_found')
    await storeUpload(db, library, upload)
    expect(await library.follow(upload.id, query)).toMatchObject({
      contentType: 'image/png',
      format: 'image',
    })
    expect(await bytesOf(library, upload.id)).toEqual(png())
  })

  it('deletes the file when the transaction is rolled back', async () => {
    const { library, fileCount } = openLibrary(db)
    const upload = await library.receive([png()], ann)
    const roll = db.transaction(async (tx) => {
      await library.record(tx, upload)
      throw new Error('not a member')
    })
    await expect(roll).rejects.toThrow('not a member')
    await library.settle(upload, false)
    expect(await mediaRows()).toEqual([])
    expect(fileCount()).toBe(0)
  })

  it.each([
    ['keeps the file when it was done after all', true],
    ['removes the file when it was not', false],
  ])('resolves a transaction with an unknown outcome later, and %s', async (_what, isDone) => {
    const { library, dir, fileCount } = openLibrary(db)
    const upload = await library.receive([png()], ann)
    if (isDone) await db.transaction((tx) => library.record(tx, upload))
    expect(fileCount()).toBe(1)
    const { library: next } = openLibrary(db, { dir })
    await next.start()
    await next.stop()
    expect(fileCount()).toBe(isDone ? 1 : 0)
    if (isDone) expect(await bytesOf(next, upload.id)).toEqual(png())
  })

  it('moves a committed file at the next start when the process was killed before', async () => {
    const { library, dir, fileCount } = openLibrary(db)
    const [recorded, unrecorded] = [await library.receive([png()], ann), await library.receive([gif()], ann)]
    await db.transaction((tx) => library.record(tx, recorded))
    const { library: next } = openLibrary(db, { dir })
    await next.start()
    await next.stop()
    expect(await bytesOf(next, recorded.id)).toEqual(png())
    expect(await resultOf(next.open(unrecorded.id))).toBe('not_found')
    expect(fileCount()).toBe(1)
  })

  it('serves a file that could not be moved, and retries within an hour', async () => {
    const store = new StuckOnce(temporaryFolder())
    const { library, clock, lines } = openLibrary(db, { store })
    await library.start()
    const upload = await library.receive([png()], ann)
    await storeUpload(db, library, upload)
    expect(await bytesOf(library, upload.id)).toEqual(png())
    expect(lines).toMatchObject([{ level: 50, cause: 'EIO' }])
    clock.advance(60 * 60 * 1000)
    await library.stop()
    expect(lines).toMatchObject([{ level: 50 }, { level: 30, msg: expect.stringContaining('works again') }])
    expect(await bytesOf(library, upload.id)).toEqual(png())
  })
})

/** A disk that refuses to move one file. */
class StuckOnce extends DiskMedia implements MediaStore {
  #isStuck = true

  override async keep(id: string): Promise<void> {
    if (this.#isStuck) {
      this.#isStuck = false
      throw Object.assign(new Error('input/output error'), { code: 'EIO' })
    }
    await super.keep(id)
  }
}
