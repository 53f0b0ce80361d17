import type { Readable } from 'node:stream'
import { nanoid } from 'nanoid'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { type Attachment, recordReceived, takeUpload } from '../../db/queries/attachments/attachments.ts'
import { AppError } from '../../errors.ts'
import { rethrowAsBusyIfFull } from '../shared/full-disk.ts'
import type { AttachmentFile, AttachmentStore } from './attachment-store.ts'

/** How long a writer holds an upload. If its process ends, a process on another machine can go on after this time. */
const HOLD_MS = 30_000
/** How often a writer renews its hold. It gives up if no bytes have arrived in between. */
const RENEWAL_INTERVAL_MS = 10_000
/** A writer stops this long before it loses its hold. */
const HOLD_MARGIN_MS = 5_000
/** Bytes after which what was received is made durable. */
const CHECKPOINT_BYTES = 16 * 1_048_576

/** What uploads need. */
export interface UploadContext {
  db: Database
  clock: Clock
  store: AttachmentStore
}

/**
 * Receives bytes of a file from its durable offset on. When it ends, also by an error, everything received is durable.
 * @returns the new offset.
 * @throws AppError `upload_locked` while another writer holds the upload, `attachment_too_large`, `upload_stalled`, `no_attachment` if
 * it was deleted meanwhile, or `busy`; and what `bytes` throws.
 */
export async function receiveUpload(
  context: UploadContext,
  attachment: Attachment,
  bytes: Readable,
): Promise<number> {
  const writer = await takeHold(context, attachment)
  const { id, received } = attachment
  const file = await context.store.write(id).catch(async (error) => {
    await recordReceived(context.db, { id, writer, received, until: null })
    return rethrowAsBusyIfFull(error)
  })
  try {
    return await new Upload(context, { attachment, writer, file }).receive(bytes)
  } finally {
    await file.close()
  }
}

async function takeHold({ db, clock, store }: UploadContext, attachment: Attachment): Promise<string> {
  const now = clock.now()
  const { writer, writerUntil } = attachment
  const heldMs = writer === null || store.hasEnded(ownerOf(writer)) ? 0 : Number(writerUntil) - now
  if (heldMs > 0) throw new AppError('upload_locked', { retryAfterMs: heldMs })
  const taken = { writer: `${store.owner}/${nanoid(8)}`, until: new Date(now + HOLD_MS) }
  if (await takeUpload(db, attachment, taken)) return taken.writer
  throw new AppError('upload_locked', { retryAfterMs: HOLD_MS })
}

function ownerOf(writer: string): string {
  return writer.slice(0, writer.indexOf('/'))
}

/** The part of an upload that one request sends. */
class Upload {
  readonly #db: Database
  readonly #clock: Clock
  readonly #attachment: Attachment
  readonly #writer: string
  readonly #file: AttachmentFile
  #heldUntil: number
  /** How many bytes of the file are written, and how many of them are durable. */
  #written: number
  #durable: number
  #isWaiting = false
  /** How much was written at the latest renewal, if the upload was waiting for bytes then. */
  #waitedAt: number | undefined
  #recording: Promise<void> = Promise.resolve()
  #failure: unknown

  constructor(
    { db, clock }: UploadContext,
    { attachment, writer, file }: { attachment: Attachment; writer: string; file: AttachmentFile },
  ) {
    this.#db = db
    this.#clock = clock
    this.#attachment = attachment
    this.#writer = writer
    this.#file = file
    this.#heldUntil = clock.now() + HOLD_MS
    this.#written = attachment.received
    this.#durable = attachment.received
  }

  async receive(bytes: Readable): Promise<number> {
    const cancel = this.#clock.every(RENEWAL_INTERVAL_MS, () => this.#renew(bytes))
    try {
      await this.#writeAll(bytes)
    } finally {
      cancel()
      await this.#record(true)
    }
    return this.#written
  }

  async #writeAll(bytes: Readable): Promise<void> {
    this.#isWaiting = true
    for await (const chunk of chunksOf(bytes)) {
      this.#isWaiting = false
      if (this.#failure !== undefined) throw this.#failure
      if (this.#written + chunk.length > this.#attachment.size) throw new AppError('attachment_too_large')
      if (this.#clock.now() > this.#heldUntil - HOLD_MARGIN_MS) throw new AppError('busy')
      await this.#file.write(chunk, this.#written).catch(rethrowAsBusyIfFull)
      this.#written += chunk.length
      if (this.#written - this.#durable >= CHECKPOINT_BYTES) await this.#record(false)
      this.#isWaiting = true
    }
  }

  #renew(bytes: Readable): void {
    const hasStalled = this.#isWaiting && this.#waitedAt === this.#written
    this.#waitedAt = this.#isWaiting ? this.#written : undefined
    if (hasStalled) bytes.destroy(new AppError('upload_stalled'))
    else
      this.#record(false).catch((error) => {
        this.#failure ??= error
      })
  }

  /** Makes what was written durable, and renews the hold, or ends it. One after the other, so that the offset never goes back. */
  #record(isLast: boolean): Promise<void> {
    const recorded = this.#recording
      .catch(() => {})
      .then(async () => {
        const written = this.#written
        if (written > this.#durable) await this.#file.sync().catch(rethrowAsBusyIfFull)
        const heldUntil = this.#clock.now() + HOLD_MS
        const until = isLast ? null : new Date(heldUntil)
        const { id } = this.#attachment
        const isHeld = await recordReceived(this.#db, { id, writer: this.#writer, received: written, until })
        if (!isHeld) throw new AppError('no_attachment')
        this.#durable = written
        this.#heldUntil = heldUntil
      })
    this.#recording = recorded
    return recorded
  }
}

/** The chunks of a request. It is not destroyed when the reader stops, because it still has to be answered. */
async function* chunksOf(bytes: Readable): AsyncGenerator<Buffer> {
  try {
    yield* bytes.iterator({ destroyOnReturn: false })
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError('bad_request', { cause })
  }
}
