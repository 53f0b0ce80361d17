import { readdirSync } from 'node:fs'
import { nanoid } from 'nanoid'
import type { Database } from '../../src/db/database.ts'
import { MediaLibrary, type StoredUpload } from '../../src/domain/media/media-library.ts'
import type { MediaStore } from '../../src/domain/media/media-store.ts'
import { DiskMedia } from '../../src/infra/disk-media.ts'
import { ManualClock } from './clock.ts'
import { temporaryFolder } from './folder.ts'
import { recordingLogger } from './log.ts'

interface LibraryOptions {
  clock?: ManualClock
  dir?: string
  store?: MediaStore
  maxMediaBytes?: number
  maxMediaPerDay?: number
  secretKeyBase?: string
}

/** The media library of one process. Default folder: a temporary one. */
export function openLibrary(
  db: Database,
  {
    clock = new ManualClock(),
    dir = temporaryFolder(),
    store = new DiskMedia(dir),
    maxMediaBytes = 100_000,
    maxMediaPerDay = 1_000_000,
    secretKeyBase = 'a secret of thirty-two characters',
  }: LibraryOptions = {},
) {
  const { logger, lines } = recordingLogger()
  const limits = { maxMediaBytes, maxMediaPerDay }
  const publicUrl = 'https://chat.example'
  const library = new MediaLibrary({ db, clock, store, secretKeyBase, publicUrl, limits, log: logger })
  return { library, clock, dir, lines, fileCount: () => filesIn(dir).length }
}

/** The paths of all files in a folder. */
export function filesIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map(({ parentPath, name }) => `${parentPath}/${name}`)
}

/** Inserts a room whose creator is its only member. @returns its id. */
export async function addRoom(db: Database, creatorId: string): Promise<string> {
  const id = nanoid()
  await db.rows('insert into rooms (id, name, creator_id) values ($1, $2, $3)', [id, `Room ${id}`, creatorId])
  await db.rows('insert into room_members (room_id, user_id) values ($1, $2)', [id, creatorId])
  return id
}

/** Stores a received file as a room does, without a message. */
export async function storeUpload(db: Database, library: MediaLibrary, upload: StoredUpload): Promise<void> {
  try {
    await db.transaction((tx) => library.record(tx, upload))
  } catch (error) {
    await library.settle(upload, false)
    throw error
  }
  await library.settle(upload, true)
}
