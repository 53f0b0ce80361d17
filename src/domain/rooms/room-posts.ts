import type { Database, Orm } from '../../db/database.ts'
import { isUniqueViolation } from '../../db/failures.ts'
import { lockMediaOwner } from '../../db/queries/media/media.ts'
import {
  findPosted,
  type PostOutcome,
  postBatch,
  ROOM_CLIENT_MESSAGE_INDEX,
  type TextDraft,
} from '../../db/queries/rooms/post-batch.ts'
import {
  findByClientMessageId,
  findRoomMessage,
  insertRoomMessage,
  isInRoom,
  type RoomMessage,
} from '../../db/queries/rooms/room-messages.ts'
import { lockRoom, takeRoomSeq } from '../../db/queries/rooms/rooms.ts'
import { AppError, invalidField } from '../../errors.ts'
import type { MediaLibrary, StoredUpload } from '../media/media-library.ts'
import type { MediaFormat } from '../media/media-types.ts'
import { type SendKind, type SendOutcome, STALE } from '../sending/send-kind.ts'
import type { EventBus } from '../shared/events.ts'
import { isStorable } from '../shared/text.ts'
import { readClientMessageId } from '../shared/uuid.ts'
import type { RoomChange } from './room-changes.ts'
import { readRoomId, readRoomMessageId, requireRoomMember } from './room-members.ts'

export type { RoomMessage } from '../../db/queries/rooms/room-messages.ts'

/** A message to send to a room: a text, or a file that the media library has received. */
export type RoomPost = ({ text: string } | { media: StoredUpload }) & {
  /** The message that it replies to. */
  previousMessageId?: string | undefined
  /** A UUID of the sender, as an idempotency key. */
  clientMessageId?: string | undefined
}

/** A file in memory, to be stored and sent to a room. */
export interface FilePost {
  bytes: Uint8Array
  declaredFormat?: MediaFormat | undefined
  previousMessageId?: string | undefined
  clientMessageId?: string | undefined
}

/** A valid file to be sent. Whether its sender is a member and the previous message exists is checked when it is stored. */
export interface FileDraft extends Omit<TextDraft, 'text'> {
  media: StoredUpload
}

/** Maximum size of the text of a message, in UTF-8. */
const MAX_TEXT_BYTES = 65_536

/** @throws AppError `no_room`, `no_message` or `validation_failed` for the fields `message` and `client_message_id`. */
export function readPost(
  post: RoomPost,
  { id, roomId, senderId, insertedAt }: Pick<TextDraft, 'id' | 'roomId' | 'senderId' | 'insertedAt'>,
): TextDraft | FileDraft {
  const { previousMessageId } = post
  return {
    id,
    roomId: readRoomId(roomId),
    senderId,
    ...('text' in post ? { text: readText(post.text) } : { media: post.media }),
    previousId: previousMessageId === undefined ? null : readRoomMessageId(previousMessageId),
    clientMessageId: readClientMessageId(post.clientMessageId) ?? null,
    insertedAt,
  }
}

/** The texts of rooms. Refused with `no_room`, `not_member` or `no_message`. */
export function roomTexts(db: Database, events: EventBus): SendKind<TextDraft, RoomMessage> {
  return {
    streamOf: ({ roomId }) => roomId,
    rowsOf: () => 1,
    sizeOf: ({ text }) => text.length,
    store: async (drafts) => outcomesOf(drafts, await postBatch(db, drafts)),
    find: async (drafts) => outcomesOf(drafts, await findPosted(db, drafts)),
    isRepeat: (error) => isUniqueViolation(error, ROOM_CLIENT_MESSAGE_INDEX),
    publish: (_draft, message) => events.emit('room_message', message),
  }
}

/** Stores and announces a file. */
export function postOfFile(
  { media, events }: { media: Pick<MediaLibrary, 'record' | 'settle'>; events: EventBus },
  draft: FileDraft,
): RoomChange<RoomMessage> {
  return {
    roomId: draft.roomId,
    make: (tx) => storeFile(tx, media, draft),
    find: (tx) => findFile(tx, draft),
    finish: (message) => media.settle(draft.media, message?.id === draft.id),
    onCommitted: (message) => {
      if (message.id === draft.id) events.emit('room_message', message)
    },
  }
}

function outcomesOf(
  drafts: readonly TextDraft[],
  outcomes: readonly PostOutcome[],
): SendOutcome<RoomMessage>[] {
  return outcomes.map((outcome, index) => {
    if (outcome.verdict === 'stale') return STALE
    if (!('message' in outcome)) return { verdict: 'refused', code: outcome.verdict }
    // The earlier message may be this very draft, stored by an attempt that emitted no event.
    const { message } = outcome
    return { verdict: 'sent', sent: message, isNew: message.id === drafts[index]?.id }
  })
}

/**
 * Stores a file, unless it repeats an earlier one. Membership is checked under the room's lock, so that a removal happens either
 * before or after it.
 * @returns the message, or the earlier one.
 * @throws AppError `no_room`, `not_member`, `no_message`, or what `MediaLibrary.record` throws.
 */
async function storeFile(
  tx: Orm,
  library: Pick<MediaLibrary, 'record'>,
  draft: FileDraft,
): Promise<RoomMessage> {
  return (await findEarlier(tx, draft)) ?? storeNew(tx, library, draft)
}

/** The message as an earlier attempt stored it. That attempt is over when this one holds the lock. */
async function findFile(tx: Orm, draft: FileDraft): Promise<RoomMessage | undefined> {
  await lockForFile(tx, draft)
  return findRoomMessage(tx, draft.id)
}

/** The earlier message with the client message id of the draft. */
async function findEarlier(tx: Orm, draft: FileDraft): Promise<RoomMessage | undefined> {
  const { roomId, senderId, clientMessageId } = draft
  if (clientMessageId === null) return undefined
  await lockForFile(tx, draft)
  return findByClientMessageId(tx, { roomId, senderId, clientMessageId })
}

/** Takes the locks that storing the draft needs, in the same order. */
async function lockForFile(tx: Orm, { roomId, senderId }: FileDraft): Promise<void> {
  await lockMediaOwner(tx, senderId)
  await lockRoom(tx, roomId)
}

async function storeNew(
  tx: Orm,
  library: Pick<MediaLibrary, 'record'>,
  { media, previousId, ...draft }: FileDraft,
): Promise<RoomMessage> {
  // `record` may wait for the lock of the owner, which must not happen under the lock of the room. So membership is checked twice.
  await requireRoomMember(tx, draft.roomId, draft.senderId)
  await library.record(tx, media)
  const seq = await takeRoomSeq(tx, draft.roomId)
  if (seq === undefined) throw new AppError('no_room')
  await requireRoomMember(tx, draft.roomId, draft.senderId)
  if (previousId && !(await isInRoom(tx, draft.roomId, previousId))) throw new AppError('no_message')
  const content = { textContent: null, mediaId: media.id, previousMessageId: previousId }
  await insertRoomMessage(tx, { ...draft, ...content, seq })
  return (await findRoomMessage(tx, draft.id)) as RoomMessage
}

function readText(text: string): string {
  if (text.trim() === '') throw invalidField('message', 'must not be empty')
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) {
    throw invalidField('message', `must have at most ${MAX_TEXT_BYTES} bytes`)
  }
  if (!isStorable(text)) throw invalidField('message', 'has characters that cannot be stored')
  return text
}
