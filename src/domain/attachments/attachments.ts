import type { Readable } from 'node:stream'
import { v7 as uuidv7 } from 'uuid'
import type { Limits } from '../../config/config.ts'
import {
  type Attachment,
  type AttachmentRef,
  findAttachment,
  insertAttachment,
  isMember,
  releaseUnbound,
} from '../../db/queries/attachments/attachments.ts'
import { AppError } from '../../errors.ts'
import { AddingRules } from '../accounts/adding-rules.ts'
import { readConversationId } from '../conversations/membership.ts'
import { uploadLimit } from '../media/media-library.ts'
import type { ByteRange } from '../media/media-store.ts'
import type { EventBus } from '../shared/events.ts'
import type { Log } from '../shared/failure-reporter.ts'
import { readUuid } from '../shared/uuid.ts'
import { AttachmentCleaner } from './attachment-cleaner.ts'
import { takeAttachmentQuota } from './attachment-quota.ts'
import { receiveUpload, type UploadContext } from './upload.ts'

export type { Attachment } from '../../db/queries/attachments/attachments.ts'

interface AttachmentsOptions extends UploadContext {
  events: EventBus
  addingRules?: AddingRules
  limits: Pick<Limits, 'maxAttachmentBytes' | 'maxAttachmentsPerDay'>
  log: Log
}

/**
 * The files that members upload for the messages of a conversation, encrypted by their clients. A message that names an upload binds
 * it: from then on all members can download it.
 */
export class Attachments {
  readonly #context: UploadContext
  readonly #addingRules: AddingRules
  readonly #limits: AttachmentsOptions['limits']
  readonly #uploads = uploadLimit()
  readonly #cleaner: AttachmentCleaner

  constructor({
    db,
    clock,
    store,
    events,
    addingRules = new AddingRules('full'),
    limits,
    log,
  }: AttachmentsOptions) {
    this.#context = { db, clock, store }
    this.#addingRules = addingRules
    this.#limits = limits
    this.#cleaner = new AttachmentCleaner({ db, clock, store, log })
    events.on('attachments_released', () => this.#cleaner.request())
  }

  /** Maximum size of an attachment in bytes. */
  get maxBytes(): number {
    return this.#limits.maxAttachmentBytes
  }

  /** Deletes what is to be deleted, now and every hour. */
  start(): void {
    this.#cleaner.start()
  }

  /** Resolves when no deletion is running. */
  idle(): Promise<void> {
    return this.#cleaner.idle()
  }

  /** Deletes nothing from now on. Resolves when no deletion is running. */
  stop(): Promise<void> {
    return this.#cleaner.stop()
  }

  /**
   * Begins an upload.
   * @throws AppError `no_conversation`, `email_unconfirmed`, `attachment_too_large` or `attachment_quota_used`.
   */
  async create(
    userId: string,
    conversationId: string,
    size: number,
  ): Promise<{ id: string; conversationId: string; size: number }> {
    const { db, clock } = this.#context
    const attachment = { id: uuidv7(), conversationId: readConversationId(conversationId), size }
    await this.#requireMember(attachment, userId)
    await this.#addingRules.requireConfirmed(db.orm, userId)
    if (size > this.maxBytes) throw new AppError('attachment_too_large')
    const now = clock.now()
    const bytesPerDay = this.#limits.maxAttachmentsPerDay
    await db.transaction(async (tx) => {
      await takeAttachmentQuota(tx, { uploaderId: userId, size, bytesPerDay, now })
      await insertAttachment(tx, { ...attachment, uploaderId: userId, insertedAt: new Date(now) })
    })
    return attachment
  }

  /**
   * An attachment that the user may see: that of a message, or one of their own.
   * @throws AppError `no_conversation` or `no_attachment`.
   */
  async find(userId: string, request: AttachmentRef): Promise<Attachment> {
    const ref = readRef(request)
    await this.#requireMember(ref, userId)
    const found =
      ref.id === undefined ? undefined : await findAttachment(this.#context.db.orm, { ...ref, id: ref.id })
    if (!found || (found.messageId === null && found.uploaderId !== userId))
      throw new AppError('no_attachment')
    return found
  }

  /**
   * Receives the next bytes of an own upload.
   * @param offset where the client continues.
   * @returns the new offset.
   * @throws AppError those of `find`, `upload_offset_mismatch`, and those of `receiveUpload`.
   */
  async receive(
    userId: string,
    ref: AttachmentRef,
    { offset, length, bytes }: { offset: number; length: number | undefined; bytes: Readable },
  ): Promise<number> {
    const attachment = await this.find(userId, ref)
    if (attachment.uploaderId !== userId) throw new AppError('no_attachment')
    if (offset !== attachment.received) throw new AppError('upload_offset_mismatch')
    if (offset + (length ?? 0) > attachment.size) throw new AppError('attachment_too_large')
    if (offset === attachment.size) return offset
    return this.#uploads.run(userId, () => receiveUpload(this.#context, attachment, bytes))
  }

  /** A complete attachment that the user may download. @throws AppError `no_conversation` or `no_attachment`. */
  async findComplete(userId: string, ref: AttachmentRef): Promise<Attachment> {
    const found = await this.find(userId, ref)
    if (found.received < found.size) throw new AppError('no_attachment')
    return found
  }

  /** The bytes of an attachment, or a range of them. @throws AppError `no_attachment`. */
  async read({ id }: Attachment, range?: ByteRange): Promise<Readable> {
    const bytes = await this.#context.store.read(id, range)
    if (!bytes) throw new AppError('no_attachment')
    return bytes
  }

  /**
   * Deletes an own upload that belongs to no message.
   * @throws AppError those of `find`; `no_attachment` if it belongs to a message; `upload_locked` while it is written.
   */
  async discard(userId: string, ref: AttachmentRef): Promise<void> {
    const { db, clock } = this.#context
    const { id, uploaderId, messageId } = await this.find(userId, ref)
    if (uploaderId !== userId || messageId !== null) throw new AppError('no_attachment')
    if (!(await releaseUnbound(db, id, new Date(clock.now())))) throw new AppError('upload_locked')
    this.#cleaner.request()
  }

  async #requireMember({ conversationId }: { conversationId: string }, userId: string): Promise<void> {
    if (!(await isMember(this.#context.db.orm, conversationId, userId))) throw new AppError('no_conversation')
  }
}

function readRef({ id, conversationId }: AttachmentRef): { id: string | undefined; conversationId: string } {
  return { id: readUuid(id), conversationId: readConversationId(conversationId) }
}
