import type { Orm } from '../db/database.ts'
import { lockMediaOwner } from '../db/queries/media.ts'
import {
  findByClientMessageId,
  findRoomMessage,
  insertRoomMessage,
  isInRoom,
  type RoomMessage,
} from '../db/queries/room-messages.ts'
import { lockRoom, takeRoomSeq } from '../db/queries/rooms.ts'
import { AppError, invalidField } from '../errors.ts'
import type { MediaLibrary, StoredUpload } from './media.ts'
import { readRoomId, readRoomMessageId, requireRoomMember } from './room-members.ts'
import { isStorable } from './text.ts'
import { readClientMessageId } from './uuid.ts'

export type { RoomMessage } from '../db/queries/room-messages.ts'

/** What is sent to a room: a text, or a file that the media library has received. */
export type RoomPost = ({ text: string } | { media: StoredUpload }) & {
  /** The message it answers. */
  previousMessageId?: string | undefined
  /** The sender's own UUID for it: what was sent under it before is not sent again. */
  clientMessageId?: string | undefined
}

/** A post that could be stored, if its sender may and the message it answers is there. */
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

/** Bytes of UTF-8 that the text of a message may have. */
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
 * Stores a post in its place, unless it repeats an earlier one. Who is a member is asked under the room's lock, so that a
 * removal comes before or after it.
 * @returns the message, or the earlier one.
 * @throws AppError `no_room`, `not_member`, `no_message`, or what the media library has against the file.
 */
export async function storePost(
  tx: Orm,
  library: Pick<MediaLibrary, 'record'>,
  draft: RoomDraft,
): Promise<RoomMessage> {
  return (await findEarlier(tx, draft)) ?? storeNew(tx, library, draft)
}

/** The message that the draft repeats, asked for under the locks that its storing needs: no other can come in between. */
async function findEarlier(tx: Orm, draft: RoomDraft): Promise<RoomMessage | undefined> {
  const { roomId, senderId, clientMessageId } = draft
  if (clientMessageId === null) return undefined
  if (draft.media) await lockMediaOwner(tx, senderId)
  await lockRoom(tx, roomId)
  return findByClientMessageId(tx, { roomId, senderId, clientMessageId })
}

async function storeNew(
  tx: Orm,
  library: Pick<MediaLibrary, 'record'>,
  { text, media, previousId, ...draft }: RoomDraft,
): Promise<RoomMessage> {
  if (media) {
    // It locks its owner, who may be waited for: not under the lock of the room, whose members are thus asked for twice.
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
