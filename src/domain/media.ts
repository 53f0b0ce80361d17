import type { Readable } from 'node:stream'
import { nanoid } from 'nanoid'
import type { Clock } from '../clock.ts'
import type { Limits } from '../config.ts'
import type { Database, Orm } from '../db/database.ts'
import { type Failure, failureOf } from '../db/failures.ts'
import { findKnownMedia, findMedia, insertMedia, type MediaRow } from '../db/queries/media.ts'
import { AppError } from '../errors.ts'
import { chooseFormat, Intake } from './media-intake.ts'
import { type LinkQuery, MediaLinks } from './media-links.ts'
import { type MediaQuota, requireQuota, takeQuota } from './media-quota.ts'
import { type Container, contentTypeOf, type MediaFormat, mediaFilename } from './media-types.ts'
import { type Log, Outage } from './outage.ts'
import { busy } from './persist.ts'

export type { LinkQuery } from './media-links.ts'
export type { MediaFormat } from './media-types.ts'

/** The bytes from `start` to `end`, both included; the first of a file is 0. */
export interface ByteRange {
  start: number
  end: number
}

/**
 * Keeps the bytes of files under ids (21 characters of nanoid, new for every file). A file is received, and then either kept
 * or discarded; whether a file that is neither is to be kept, after the process was killed, is asked in `recover`.
 */
export interface MediaStore {
  /** Writes a new file, durable when it resolves. Leaves nothing behind when it throws, or when `bytes` does. */
  receive(id: string, bytes: AsyncIterable<Uint8Array>): Promise<void>
  /** Gives a received file its lasting place. */
  keep(id: string): Promise<void>
  /** Removes a file that was received, but is not kept. */
  discard(id: string): Promise<void>
  /** A file, kept or only received, or a part of it; undefined when there is none. Destroying the stream lets go of it. */
  open(id: string, range?: ByteRange): Promise<Readable | undefined>
  /** Keeps the received files that `known` picks from their ids, and removes those that nobody else can be about to keep. */
  recover(known: (ids: string[]) => Promise<string[]>): Promise<void>
}

/** A file that is stored, and that nothing refers to yet. */
export interface StoredUpload {
  id: string
  roomId: string
  ownerId: string
  /** What it is taken for. */
  format: MediaFormat
  contentType: string
  /** Bytes. */
  size: number
  /** A name to save it under. */
  filename: string
  container: Container
}

/** What is told of a stored file to who has a good link to it. */
export interface LinkedMedia extends MediaRow {
  filename: string
  /** Milliseconds that the link has still to live. */
  leftMs: number
}

interface MediaLibraryOptions {
  db: Database
  clock: Clock
  store: MediaStore
  secretKeyBase: string
  publicUrl: string
  limits: Pick<Limits, 'maxMediaBytes' | 'maxMediaPerDay'>
  log: Log
}

/** Files that one user may send in a day: small ones cost more than their bytes. */
const FILES_PER_DAY = 1_000
/** Uploads of one user that may be under way at once. */
const UPLOADS_AT_ONCE = 8
/** Failures after which a transaction may yet have happened. */
const UNSURE: Failure[] = ['lost', 'unavailable']
const RECOVER_EVERY_MS = 60 * 60 * 1000

/**
 * The images, sounds and films of the rooms. A file comes in by `receive`; the transaction that tells of it runs in `store`
 * and calls `record`; only then is it there for anyone.
 */
export class MediaLibrary {
  readonly #db: Database
  readonly #clock: Clock
  readonly #store: MediaStore
  readonly #links: MediaLinks
  readonly #maxBytes: number
  readonly #quota: MediaQuota
  readonly #storing: Outage
  readonly #underWay = new Map<string, number>()
  #cancel = () => {}
  #recovering: Promise<void> | undefined

  constructor({ db, clock, store, limits, log, ...links }: MediaLibraryOptions) {
    this.#db = db
    this.#clock = clock
    this.#store = store
    this.#links = new MediaLinks({ clock, ...links })
    this.#maxBytes = limits.maxMediaBytes
    this.#quota = { bytes: limits.maxMediaPerDay, files: FILES_PER_DAY }
    this.#storing = new Outage(log, 'Putting uploads in their place')
  }

  /** The most bytes that a file may have. */
  get maxBytes(): number {
    return this.#maxBytes
  }

  /** Settles what a killed process left unsettled, now and every hour. @throws when the store cannot be used. */
  async start(): Promise<void> {
    await this.#recover()
    this.#cancel = this.#clock.every(RECOVER_EVERY_MS, () => void this.#recoverInBackground())
  }

  /** Resolves when nothing is on its way any more. */
  async stop(): Promise<void> {
    this.#cancel()
    await this.#recovering
  }

  /**
   * Takes a file in. The bytes decide what it is.
   * @param claimed what its sender says; it decides where the bytes leave it open.
   * @throws AppError as soon as it is known to be empty, too large, of a wrong kind, or too much for today; then, and when
   * `bytes` throws, nothing is left of it.
   */
  async receive(
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    { roomId, ownerId, claimed }: { roomId: string; ownerId: string; claimed?: MediaFormat | undefined },
  ): Promise<StoredUpload> {
    const id = nanoid()
    const intake = new Intake({ maxBytes: this.#maxBytes, claimed })
    await this.#oneOfFew(ownerId, async () => {
      await requireQuota(this.#db.orm, this.#request(ownerId, 0))
      await this.#store.receive(id, intake.check(bytes)).catch(explainDiskTrouble)
    })
    const { container, size } = intake
    return describe({ id, roomId, ownerId, size, container }, claimed)
  }

  /** The same file, taken for what its sender says. @throws AppError `media_mismatch` when it cannot be that. */
  claim(upload: StoredUpload, claimed: MediaFormat | undefined): StoredUpload {
    return describe(upload, claimed)
  }

  /**
   * Runs the transaction that tells of the file. The file is kept when it commits and discarded when it does not; when
   * nobody knows, because the connection was lost, that is found out later.
   * @param isUsed whether what was told is of this file; if not, it is discarded too.
   */
  async store<T>(
    upload: StoredUpload,
    tell: () => Promise<T>,
    isUsed: (told: T) => boolean = () => true,
  ): Promise<T> {
    try {
      const told = await tell()
      await (isUsed(told) ? this.#keep(upload) : this.discard(upload))
      return told
    } catch (error) {
      if (!UNSURE.includes(failureOf(error))) await this.discard(upload)
      throw error
    }
  }

  /**
   * Inserts the file's row. To be called before the room's row is locked.
   * @throws AppError `media_quota_used`, however many uploads come at once.
   */
  async record(tx: Orm, { id, roomId, ownerId, format, contentType, size }: StoredUpload): Promise<void> {
    const request = this.#request(ownerId, size)
    await takeQuota(tx, request)
    await insertMedia(tx, { id, roomId, ownerId, format, contentType, size }, new Date(request.now))
  }

  /** Removes a file that will not be told of. */
  async discard({ id }: StoredUpload): Promise<void> {
    await this.#store.discard(id)
  }

  /** An absolute URL that is good for an hour, for members of the file's room. */
  readonly url = (mediaId: string): string => this.#links.make(mediaId)

  /** A name to save the file under. */
  readonly filename = (media: Pick<MediaRow, 'id' | 'contentType'>): string => mediaFilename(media)

  /** The file of a link. @throws AppError `media_link_invalid` or `not_found`. */
  async follow(mediaId: string, query: LinkQuery): Promise<LinkedMedia> {
    const leftMs = this.#links.verify(mediaId, query)
    const row = await findMedia(this.#db.orm, mediaId)
    if (!row) throw new AppError('not_found')
    return { ...row, filename: mediaFilename(row), leftMs }
  }

  /** The bytes of a stored file, or a part of them. @throws AppError `not_found`. */
  async open(mediaId: string, range?: ByteRange): Promise<Readable> {
    const bytes = await this.#store.open(mediaId, range)
    if (!bytes) throw new AppError('not_found')
    return bytes
  }

  async #oneOfFew(ownerId: string, work: () => Promise<void>): Promise<void> {
    const others = this.#underWay.get(ownerId) ?? 0
    if (others >= UPLOADS_AT_ONCE) {
      throw new AppError('rate_limited', { message: 'Too many uploads at once. Wait for one to finish.' })
    }
    this.#underWay.set(ownerId, others + 1)
    try {
      await work()
    } finally {
      const left = this.#underWay.get(ownerId)! - 1
      if (left === 0) this.#underWay.delete(ownerId)
      else this.#underWay.set(ownerId, left)
    }
  }

  #request(ownerId: string, size: number) {
    return { ownerId, size, quota: this.#quota, now: this.#clock.now() }
  }

  /** The file has been told of by now: it is served from where it is, and put in its place when that works again. */
  async #keep({ id }: StoredUpload): Promise<void> {
    try {
      await this.#store.keep(id)
      this.#storing.end()
    } catch (error) {
      this.#storing.begin(error)
    }
  }

  async #recover(): Promise<void> {
    await this.#store.recover((ids) => findKnownMedia(this.#db.orm, ids))
  }

  #recoverInBackground(): Promise<void> {
    this.#recovering ??= this.#recover()
      .then(
        () => this.#storing.end(),
        (error) => this.#storing.begin(error),
      )
      .finally(() => {
        this.#recovering = undefined
      })
    return this.#recovering
  }
}

function describe(
  file: Omit<StoredUpload, 'format' | 'contentType' | 'filename'>,
  claimed: MediaFormat | undefined,
): StoredUpload {
  const format = chooseFormat(file.container, claimed)
  const contentType = contentTypeOf(file.container, format)
  return { ...file, format, contentType, filename: mediaFilename({ id: file.id, contentType }) }
}

/** A full disk is the operator's trouble, and passes. */
function explainDiskTrouble(error: unknown): never {
  if (['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'].includes((error as NodeJS.ErrnoException).code ?? ''))
    throw busy(error)
  throw error
}
