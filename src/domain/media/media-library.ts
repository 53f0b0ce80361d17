import type { Readable } from 'node:stream'
import { nanoid } from 'nanoid'
import type { Clock } from '../../clock.ts'
import type { Limits } from '../../config/config.ts'
import type { Database, Orm } from '../../db/database.ts'
import { findMedia, insertMedia, type MediaRow } from '../../db/queries/media/media.ts'
import { AppError } from '../../errors.ts'
import { AddingRules } from '../accounts/adding-rules.ts'
import { ConcurrencyLimit } from '../shared/concurrency-limit.ts'
import type { Log } from '../shared/failure-reporter.ts'
import { rethrowAsBusyIfFull } from '../shared/full-disk.ts'
import { type LinkQuery, MediaLinks } from './media-links.ts'
import { type MediaQuota, requireQuota, takeQuota } from './media-quota.ts'
import { MediaRecovery } from './media-recovery.ts'
import type { ByteRange, MediaStore } from './media-store.ts'
import { type Container, contentTypeOf, type MediaFormat, mediaFilename } from './media-types.ts'
import { chooseFormat, UploadInspector } from './upload-inspector.ts'

export type { LinkQuery } from './media-links.ts'

/** A stored file that no message refers to yet. */
export interface StoredUpload {
  id: string
  roomId: string
  ownerId: string
  format: MediaFormat
  contentType: string
  /** Bytes. */
  size: number
  /** The name for downloads. */
  filename: string
  container: Container
}

/** The file behind a valid link. */
export interface LinkedMedia extends MediaRow {
  filename: string
  /** Milliseconds until the link expires. */
  leftMs: number
}

interface MediaLibraryOptions {
  db: Database
  clock: Clock
  store: MediaStore
  addingRules?: AddingRules
  secretKeyBase: string
  publicUrl: string
  limits: Pick<Limits, 'maxMediaBytes' | 'maxMediaPerDay'>
  log: Log
}

/** Files that a user may send within 24 hours. Small files cost more than their size. */
const MAX_FILES_PER_DAY = 1_000
/** Concurrent uploads of one user. */
const MAX_CONCURRENT_UPLOADS = 8

/**
 * The image, audio and video files of rooms. `receive` stores a file; the transaction that inserts its message calls `record`;
 * when its outcome is known, `settle` makes the file visible or deletes it.
 */
export class MediaLibrary {
  readonly #db: Database
  readonly #clock: Clock
  readonly #store: MediaStore
  readonly #links: MediaLinks
  readonly #recovery: MediaRecovery
  readonly #addingRules: AddingRules
  readonly #maxBytes: number
  readonly #quota: MediaQuota
  readonly #uploads = uploadLimit()

  constructor({
    db,
    clock,
    store,
    addingRules = new AddingRules('full'),
    limits,
    log,
    ...links
  }: MediaLibraryOptions) {
    this.#db = db
    this.#clock = clock
    this.#store = store
    this.#addingRules = addingRules
    this.#links = new MediaLinks({ clock, ...links })
    this.#recovery = new MediaRecovery({ db, clock, store, log })
    this.#maxBytes = limits.maxMediaBytes
    this.#quota = { bytes: limits.maxMediaPerDay, files: MAX_FILES_PER_DAY }
  }

  /** Maximum size of a file. */
  get maxBytes(): number {
    return this.#maxBytes
  }

  /** Recovers the uploads of crashed processes, now and every hour. @throws when the store cannot be used. */
  start(): Promise<void> {
    return this.#recovery.start()
  }

  /** Stops recovery; resolves when a running one has ended. */
  stop(): Promise<void> {
    return this.#recovery.stop()
  }

  /**
   * Stores a file. Its format is detected from the bytes.
   * @param declaredFormat the format that the sender declares. It decides when the bytes allow more than one format.
   * @throws AppError `email_unconfirmed`, or another as soon as the file is known to be empty, too large, of an unsupported
   * format or over the quota. Then, and when `bytes` throws, the file is deleted.
   */
  async receive(
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    {
      roomId,
      ownerId,
      declaredFormat,
    }: { roomId: string; ownerId: string; declaredFormat?: MediaFormat | undefined },
  ): Promise<StoredUpload> {
    await this.#addingRules.requireConfirmed(this.#db.orm, ownerId)
    const id = nanoid()
    const inspector = new UploadInspector({ maxBytes: this.#maxBytes, declaredFormat })
    await this.#uploads.run(ownerId, async () => {
      await requireQuota(this.#db.orm, this.#quotaRequest(ownerId, 0))
      await this.#store.receive(id, inspector.inspect(bytes)).catch(rethrowAsBusyIfFull)
    })
    const { container, size } = inspector
    return describe({ id, roomId, ownerId, size, container }, declaredFormat)
  }

  /** The same file in the declared format. @throws AppError `media_mismatch` if its bytes have another format. */
  withFormat(upload: StoredUpload, declaredFormat: MediaFormat | undefined): StoredUpload {
    return describe(upload, declaredFormat)
  }

  /**
   * Keeps the file of a committed message, or deletes it if no message refers to it. While the outcome of the commit is unknown,
   * call neither: recovery resolves it.
   */
  async settle(upload: StoredUpload, isUsed: boolean): Promise<void> {
    await (isUsed ? this.#recovery.keep(upload.id) : this.discard(upload))
  }

  /**
   * Inserts the file's row. Call it before locking the room's row.
   * @throws AppError `media_quota_used`, also for concurrent uploads.
   */
  async record(tx: Orm, { id, roomId, ownerId, format, contentType, size }: StoredUpload): Promise<void> {
    const request = this.#quotaRequest(ownerId, size)
    await takeQuota(tx, request)
    await insertMedia(tx, { id, roomId, ownerId, format, contentType, size }, new Date(request.now))
  }

  /** Deletes a file that no message refers to. */
  async discard({ id }: StoredUpload): Promise<void> {
    await this.#store.discard(id)
  }

  /** An absolute URL that is valid for an hour, for members of the file's room. */
  readonly url = (mediaId: string): string => this.#links.make(mediaId)

  /** The name for downloads. */
  readonly filename = (media: Pick<MediaRow, 'id' | 'contentType'>): string => mediaFilename(media)

  /** The file of a link. @throws AppError `media_link_invalid` or `not_found`. */
  async follow(mediaId: string, query: LinkQuery): Promise<LinkedMedia> {
    const leftMs = this.#links.verify(mediaId, query)
    const row = await findMedia(this.#db.orm, mediaId)
    if (!row) throw new AppError('not_found')
    return { ...row, filename: mediaFilename(row), leftMs }
  }

  /** The bytes of a stored file, or a range of them. @throws AppError `not_found`. */
  async open(mediaId: string, range?: ByteRange): Promise<Readable> {
    const bytes = await this.#store.open(mediaId, range)
    if (!bytes) throw new AppError('not_found')
    return bytes
  }

  #quotaRequest(ownerId: string, size: number) {
    return { ownerId, size, quota: this.#quota, now: this.#clock.now() }
  }
}

/** Limits the concurrent uploads of each user. */
export function uploadLimit(): ConcurrencyLimit {
  return new ConcurrencyLimit(MAX_CONCURRENT_UPLOADS, 'Too many uploads at once. Wait for one to finish.')
}

function describe(
  file: Omit<StoredUpload, 'format' | 'contentType' | 'filename'>,
  declaredFormat: MediaFormat | undefined,
): StoredUpload {
  const format = chooseFormat(file.container, declaredFormat)
  const contentType = contentTypeOf(file.container, format)
  return { ...file, format, contentType, filename: mediaFilename({ id: file.id, contentType }) }
}
