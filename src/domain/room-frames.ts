import { isUtf8 } from 'node:buffer'
import { invalidField } from '../errors.ts'
import type { MediaFormat, MediaLibrary } from './media.ts'
import type { Rooms } from './rooms.ts'

/** A file as it comes over a socket. */
export interface MediaFrame {
  /** What its sender says the file is; undefined when they do not say, or nothing that it could be. */
  claimed: MediaFormat | undefined
  /** The message it answers; undefined when it is no reply. */
  previousMessageId: string | undefined
  /** The sender's own name for it. */
  clientMessageId: string | undefined
  bytes: Uint8Array
}

/** Bytes that the JSON of a frame may have. */
export const MAX_METADATA_BYTES = 16_384

const DELIMITER = Buffer.from('<delimiter>')
const FORMATS: readonly unknown[] = ['image', 'audio', 'video'] satisfies MediaFormat[]

/**
 * Reads a frame: JSON that says what to do with the file, then `<delimiter>`, then its bytes.
 * @param type what the frame is, where that is not for its `message_type` to say: `media` or `reply`.
 * @throws AppError `validation_failed`.
 */
export function readMediaFrame(frame: Uint8Array, type?: 'media' | 'reply'): MediaFrame {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
  const end = bytes.subarray(0, MAX_METADATA_BYTES + DELIMITER.length).indexOf(DELIMITER)
  if (end < 0) throw invalidField('frame', 'must be JSON, <delimiter> and the bytes of a file')
  const fields = readFields(bytes.subarray(0, end))
  const claimed = [fields.media_format, fields.message_format].find((format) => FORMATS.includes(format))
  return {
    claimed: claimed as MediaFormat | undefined,
    previousMessageId: isReply(type ?? fields.message_type) ? readPrevious(fields) : undefined,
    clientMessageId: readName(fields),
    bytes: bytes.subarray(end + DELIMITER.length),
  }
}

/** Stores the file of a frame and sends it to a room, unless it was sent before. @throws AppError those of `MediaLibrary.receive` and `Rooms.post`. */
export async function postMediaFrame(
  { rooms, media }: { rooms: Rooms; media: MediaLibrary },
  { roomId, userId }: { roomId: string; userId: string },
  { bytes, claimed, ...post }: MediaFrame,
): Promise<void> {
  if (await rooms.findSent(roomId, userId, post.clientMessageId)) return
  const upload = await media.receive([bytes], { roomId, ownerId: userId, claimed })
  await rooms.post(roomId, userId, { media: upload, ...post })
}

function isReply(type: unknown): boolean {
  if (type !== 'media' && type !== 'reply') throw invalidField('message_type', 'must be media or reply')
  return type === 'reply'
}

function readPrevious({ previous_message_id: id }: Record<string, unknown>): string {
  if (typeof id !== 'string') throw invalidField('previous_message_id', 'must be text')
  return id
}

function readName({ client_message_id: id }: Record<string, unknown>): string | undefined {
  if (id !== undefined && typeof id !== 'string') throw invalidField('client_message_id', 'must be a UUID')
  return id
}

function readFields(bytes: Buffer): Record<string, unknown> {
  const fields = isUtf8(bytes) ? parse(bytes.toString()) : undefined
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw invalidField('frame', 'must begin with a JSON object')
  }
  return fields as Record<string, unknown>
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
