import { beforeEach, describe, expect, it } from 'vitest'
import { addUser } from '../../support/account-services.ts'
import { resultOf } from '../../support/chat-services.ts'
import { truncateAll } from '../../support/database.ts'
import { png } from '../../support/media.ts'
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

const HOUR_MS = 60 * 60 * 1000

/** A picture of so many bytes. */
function picture(bytes: number): Buffer[] {
  return [png(), Buffer.alloc(bytes - png().length)]
}

type Open = ReturnType<typeof openLibrary>

async function send({ library }: Open, bytes: number, from = ann): Promise<void> {
  await storeUpload(db, library, await library.receive(picture(bytes), from))
}

async function stored(): Promise<{ files: number; bytes: number }> {
  const rows = await db.rows<{ files: number; bytes: number }>(
    'select count(*)::float8 as files, coalesce(sum(size), 0)::float8 as bytes from media',
    [],
  )
  return rows[0]!
}

describe('the quota of bytes', () => {
  it('can be used completely', async () => {
    const open = openLibrary(db, { maxMediaPerDay: 3_000 })
    await send(open, 1_000)
    await send(open, 2_000)
    expect(await stored()).toEqual({ files: 2, bytes: 3_000 })
    expect(await resultOf(send(open, 200))).toBe('media_quota_used')
    expect(open.fileCount()).toBe(2)
  })

  it('rejects a file that exceeds it by one byte', async () => {
    const open = openLibrary(db, { maxMediaPerDay: 3_000 })
    await send(open, 1_000)
    expect(await resultOf(send(open, 2_001))).toBe('media_quota_used')
    expect(open.fileCount()).toBe(1)
    expect(await resultOf(send(open, 2_000))).toBe('ok')
  })

  it('is separate for each user', async () => {
    const open = openLibrary(db, { maxMediaPerDay: 3_000 })
    await send(open, 3_000)
    const ben = await addUser(db, 'ben@example.com')
    expect(await resultOf(send(open, 3_000, { ...ann, ownerId: ben }))).toBe('ok')
  })

  it('is released a day after use, and the error has the delay until then', async () => {
    const open = openLibrary(db, { maxMediaPerDay: 3_000 })
    await send(open, 1_000)
    open.clock.advance(HOUR_MS)
    await send(open, 1_000)
    open.clock.advance(HOUR_MS)
    await send(open, 1_000)
    const upload = send(open, 1_500)
    await expect(upload).rejects.toMatchObject({ code: 'media_quota_used', retryAfterMs: 22 * HOUR_MS })
    open.clock.advance(22 * HOUR_MS)
    await expect(send(open, 1_500)).rejects.toMatchObject({ retryAfterMs: HOUR_MS })
    open.clock.advance(HOUR_MS - 1)
    expect(await resultOf(send(open, 1_500))).toBe('media_quota_used')
    open.clock.advance(1)
    expect(await resultOf(send(open, 1_500))).toBe('ok')
  })

  it('is checked before anything is read, when none is left', async () => {
    const { library, ...open } = openLibrary(db, { maxMediaPerDay: 1_000 })
    await send({ library, ...open }, 1_000)
    const unread = {
      // biome-ignore lint/correctness/useYield: nobody gets so far.
      async *[Symbol.asyncIterator]() {
        throw new Error('It was read.')
      },
    }
    expect(await resultOf(library.receive(unread, ann))).toBe('media_quota_used')
  })

  it('cannot be exceeded by concurrent files', async () => {
    const open = openLibrary(db, { maxMediaPerDay: 3_000 })
    const uploads = await Promise.all(
      Array.from({ length: 8 }, () => open.library.receive(picture(900), ann)),
    )
    const results = await Promise.all(uploads.map((one) => resultOf(storeUpload(db, open.library, one))))
    expect(results.filter((result) => result === 'ok')).toHaveLength(3)
    expect(results.filter((result) => result === 'media_quota_used')).toHaveLength(5)
    expect(await stored()).toEqual({ files: 3, bytes: 2_700 })
    expect(open.fileCount()).toBe(3)
  })
})

describe('the quota of files', () => {
  it('is a thousand, regardless of size', async () => {
    const open = openLibrary(db)
    await db.rows(
      `insert into media (id, room_id, owner_id, format, content_type, size, inserted_at)
       select 'file ' || n, $1, $2, 'image', 'image/gif', 1, $3::timestamptz from generate_series(1, 999) n`,
      [ann.roomId, ann.ownerId, new Date(open.clock.now()).toISOString()],
    )
    open.clock.advance(HOUR_MS)
    await send(open, 200)
    await expect(send(open, 200)).rejects.toMatchObject({
      code: 'media_quota_used',
      retryAfterMs: 23 * HOUR_MS,
    })
    open.clock.advance(23 * HOUR_MS)
    expect(await resultOf(send(open, 200))).toBe('ok')
  })
})
