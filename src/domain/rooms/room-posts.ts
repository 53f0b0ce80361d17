import type { Orm } from '../../db/database.ts'
import { lockMediaOwner } from '../../db/queries/media/media.ts'
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
import { isStorable } from '../shared/text.ts'
import { readClientMessageId } from '../shared/uuid.ts'
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

/** A valid post. Whether its sender is a member and the previous message exists is checked when it is stored. */
export interface RoomDraft {
  id: string
  roomId: string
  senderId: string
  text: string | null
  media: StoredUpload | null
  previousId: string | null
  clientMessageId: string | null
  insertedAt: Date
}

/** Maximum size of the text of a message, in UTF-8. */
const MAX_TEXT_BYTES = 65_536

/** @throws AppError `no_room`, `no_message` or `validation_failed` for the fields `message` and `client_message_id`. */
export function readPost(
  post: RoomPost,
  { id, roomId, senderId, insertedAt }: Pick<RoomDraft, 'id' | 'roomId' | 'senderId' | 'insertedAt'>,
): RoomDraft {
  const { previousMessageId } = post
  return {
    id,
    roomId: readRoomId(roomId),
    senderId,
    text: 'text' in post ? readText(post.text) : null,
    media: 'media' in post ? post.media : null,
    previousId: previousMessageId === undefined ? null : readRoomMessageId(previousMessageId),
    clientMessageId: readClientMessageId(post.clientMessageId) ?? null,
    insertedAt,
  }
}

/**
 * Stores a post, unless it repeats an earlier one. Membership is checked under the room's lock, so that a removal happens
 * either before or after it.
 * @returns the message, or the earlier one.
 * @throws AppError `no_room`, `not_member`, `no_message`, or what `MediaLibrary.record` throws.
 */
export async function storePost(
  tx: Orm,
  library: Pick<MediaLibrary, 'record'>,
  draft: RoomDraft,
): Promise<RoomMessage> {
  return (await findEarlier(tx, draft)) ?? storeNew(tx, library, draft)
}

/** The message as an earlier attempt stored it. That attempt is over when this one holds the lock. */
export async function findPost(tx: Orm, draft: RoomDraft): Promise<RoomMessage | undefined> {
  await lockForPost(tx, draft)
  return findRoomMessage(tx, draft.id)
}

/** The earlier message with the client message id of the draft. */
async function findEarlier(tx: Orm, draft: RoomDraft): Promise<RoomMessage | undefined> {
  const { roomId, senderId, clientMessageId } = draft
  if (clientMessageId === null) return undefined
  await lockForPost(tx, draft)
  return findByClientMessageId(tx, { roomId, senderId, clientMessageId })
}

/** Takes the locks that storing the draft needs, in the same order. */
async function lockForPost(tx: Orm, { roomId, senderId, media }: RoomDraft): Promise<void> {
  if (media) await lockMediaOwner(tx, senderId)
  await lockRoom(tx, roomId)
}

async function storeNew(
  tx: Orm,
  library: Pick<MediaLibrary, 'record'>,
  { text, media, previousId, ...draft }: RoomDraft,
): Promise<RoomMessage> {
  if (media) {
    // `record` may wait for the lock of the owner, which must not happen under the lock of the room. So membership is checked twice.
    await requireRoomMember(tx, draft.roomId, draft.senderId)
    await library.record(tx, media)
  }
  const seq = await takeRoomSeq(tx, draft.roomId)
  if (seq === undefined) throw new AppError('no_room')
  await requireRoomMember(tx, draft.roomId, draft.senderId)
  if (previousId && !(await isInRoom(tx, draft.roomId, previousId))) throw new AppError('no_message')
  const content = { textContent: text, mediaId: media?.id ?? null, previousMessageId: previousId }
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
