import { randomBytes } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { v7 as newId } from 'uuid'
import { beforeEach, describe, expect, it } from 'vitest'
import { findAttachment, insertAttachment } from '../../../src/db/queries/attachments/attachments.ts'
import type { AttachmentStore } from '../../../src/domain/attachments/attachment-store.ts'
import { receiveUpload } from '../../../src/domain/attachments/upload.ts'
import { DiskAttachments } from '../../../src/infra/disk-attachments.ts'
import { addPeople, resultOf } from '../../support/chat-services.ts'
import { ManualClock } from '../../support/clock.ts'
import { eventually } from '../../support/eventually.ts'
import { temporaryFolder } from '../../support/folder.ts'
import { setUpEmptyDatabase } from '../../support/set-up-database.ts'

const MIB = 1_048_576
const db = setUpEmptyDatabase()
let ref: { id: string; conversationId: string }
let dir: string

beforeEach(() => {
  dir = temporaryFolder()
})

async function begin(size: number): Promise<void> {
  const [uploaderId] = await addPeople(db, 'ann')
  ref = { id: newId(), conversationId: newId() }
  await insertAttachment(db.orm, { ...ref, uploaderId, size, insertedAt: new Date() })
}

/** A process of the deployment, with its own clock. */
function node(name: string, ended: string[] = []) {
  const clock = new ManualClock()
  const store = new DiskAttachments(dir, { name, hasEnded: (other) => ended.includes(other) })
  return { clock, store, receive: (bytes: Readable) => receive({ clock, store }, bytes) }
}

async function receive(
  { clock = new ManualClock(), store }: { clock?: ManualClock; store: AttachmentStore },
  bytes: Readable,
): Promise<number> {
  return receiveUpload({ db, clock, store }, (await findAttachment(db.orm, ref))!, bytes)
}

const received = async () => (await findAttachment(db.orm, ref))?.received

async function stored(store: AttachmentStore): Promise<string> {
  return (await buffer((await store.read(ref.id))!)).toString()
}

/** An upload at a node that has written `text`, and goes on. */
async function writing({ receive, store }: ReturnType<typeof node>, text: string) {
  const bytes = new PassThrough()
  const result = resultOf(receive(bytes))
  bytes.write(text)
  await eventually(async () => expect(await stored(store).catch(() => '')).toBe(text))
  return { bytes, result }
}

describe('the hold of a writer', () => {
  it('keeps other processes out as long as it renews it', async () => {
    await begin(10)
    const [one, two] = [node('one'), node('two')]
    const { bytes, result } = await writing(one, 'abc')
    for (let text = 'abcd'; text.length < 10; text += 'd') {
      bytes.write('d')
      await eventually(async () => expect(await stored(one.store)).toBe(text))
      one.clock.advance(10_000)
      await eventually(async () => expect(await received()).toBe(text.length))
      two.clock.advance(10_000)
      expect(await resultOf(two.receive(Readable.from([Buffer.from('x')])))).toBe('upload_locked')
    }
    bytes.end('e')
    expect(await result).toBe('ok')
    expect(await stored(two.store)).toBe('abcdddddde')
  })

  it('expires, and the writer then records nothing any more', async () => {
    await begin(10)
    const [one, two] = [node('one'), node('two')]
    const { bytes, result } = await writing(one, 'abc')
    two.clock.advance(30_000)
    expect(await two.receive(Readable.from([Buffer.from('ABCDEFGHIJ')]))).toBe(10)
    bytes.end()
    expect(await result).toBe('no_attachment')
    expect(await received()).toBe(10)
  })

  it('makes a writer stop that could not renew it in time', async () => {
    await begin(10)
    const one = node('one')
    const { bytes, result } = await writing(one, 'abc')
    // Only the time of the next chunk: no renewal has run.
    one.clock.now = () => Date.UTC(2026, 0, 15, 12, 0, 26)
    bytes.end('d')
    expect(await result).toBe('busy')
    expect(await stored(one.store)).toBe('abc')
    expect(await received()).toBe(3)
  })

  it('is void when its process has ended', async () => {
    await begin(10)
    const { bytes, result } = await writing(node('one'), 'abc')
    const two = node('two', ['one'])
    expect(await two.receive(Readable.from([Buffer.from('ABCDEFGHIJ')]))).toBe(10)
    expect(await stored(two.store)).toBe('ABCDEFGHIJ')
    bytes.destroy()
    await result
  })
})

describe('what is received', () => {
  it('replaces what an earlier request left after the durable offset', async () => {
    await begin(10)
    const { store, receive } = node('one')
    const file = await store.write(ref.id)
    await file.write(Buffer.from('garbage!!!'), 0)
    await file.close()
    expect(await receive(Readable.from([Buffer.from('abc')]))).toBe(3)
    expect(await receive(Readable.from([Buffer.from('defghij')]))).toBe(10)
    expect(await stored(store)).toBe('abcdefghij')
  })

  it('is durable up to each 16 MiB while the request goes on', async () => {
    await begin(64 * MIB)
    const { receive } = node('one')
    const bytes = new PassThrough()
    const result = resultOf(receive(bytes))
    for (let n = 0; n < 20; n++) bytes.write(Buffer.alloc(MIB))
    await eventually(async () => expect(await received()).toBe(16 * MIB))
    bytes.destroy(new Error('lost'))
    expect(await result).toBe('bad_request')
    expect(await received()).toBeGreaterThanOrEqual(16 * MIB)
  })

  it('is kept up to the byte at which the disk was full', async () => {
    await begin(10)
    const { store, receive: receiveAgain } = node('one')
    const full = writingWith(store, async (write, bytes, position) => {
      if (position + bytes.length > 6) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
      await write(bytes, position)
    })
    const chunks = ['abc', 'def', 'ghi', 'j'].map((text) => Buffer.from(text))
    expect(await resultOf(receive({ store: full }, Readable.from(chunks)))).toBe('busy')
    expect(await received()).toBe(6)
    expect(await receiveAgain(Readable.from(chunks.slice(2)))).toBe(10)
    expect(await stored(store)).toBe('abcdefghij')
  })

  it('is read from the connection only as fast as it is written', async () => {
    const size = 64 * MIB
    await begin(size)
    const { store } = node('one')
    let produced = 0
    let maxBuffered = 0
    const chunk = randomBytes(65_536)
    const source = new Readable({
      highWaterMark: 65_536,
      read() {
        produced += chunk.length
        this.push(produced <= size ? chunk : null)
      },
    })
    const counting = writingWith(store, async (write, bytes, position) => {
      await write(bytes, position)
      maxBuffered = Math.max(maxBuffered, produced - position - bytes.length)
    })
    expect(await receive({ store: counting }, source)).toBe(size)
    expect(maxBuffered).toBeLessThanOrEqual(4 * 65_536)
  })
})

describe('DiskAttachments', () => {
  it('refuses ids that could leave the folder', async () => {
    const { store } = node('one')
    for (const id of ['..', '../../etc/passwd', '', `${newId()}/x`, newId().toUpperCase()]) {
      await expect(store.write(id)).rejects.toThrow()
      await expect(store.read(id)).rejects.toThrow()
      await expect(store.remove(id)).rejects.toThrow()
    }
  })

  it('finds no file before the first byte, and deletes a missing one without an error', async () => {
    const { store } = node('one')
    const id = newId()
    expect(await store.read(id)).toBeUndefined()
    await store.remove(id)
  })
})

type Write = (bytes: Uint8Array, position: number) => Promise<void>

/** A store of which `each` makes every write, by `write`. */
function writingWith(
  store: AttachmentStore,
  each: (write: Write, bytes: Uint8Array, position: number) => Promise<void>,
): AttachmentStore {
  return {
    owner: 'one',
    hasEnded: () => false,
    read: (id) => store.read(id),
    remove: (id) => store.remove(id),
    async write(id) {
      const file = await store.write(id)
      return { ...file, write: (bytes, position) => each((b, p) => file.write(b, p), bytes, position) }
    },
  }
}
