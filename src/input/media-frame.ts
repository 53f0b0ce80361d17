import { isUtf8 } from 'node:buffer'
import { isMediaFormat, type MediaFormat } from '../domain/media/media-types.ts'
import { invalidField } from '../errors.ts'

/** A file for a room, parsed from a binary frame. */
export interface MediaFrame {
  /** The format that the sender declares; undefined if it is absent or unknown. */
  declaredFormat: MediaFormat | undefined
  /** The message that it replies to; undefined if it is not a reply. */
  previousMessageId: string | undefined
  clientMessageId: string | undefined
  bytes: Uint8Array
}

/** Maximum size of the JSON metadata. */
export const MAX_METADATA_BYTES = 16_384

const DELIMITER = Buffer.from('<delimiter>')

/**
 * Parses a media frame: a JSON object of metadata, `<delimiter>`, and the bytes of the file.
 * @param type overrides the `message_type` of the metadata when the event name implies it.
 * @throws AppError `validation_failed`.
 */
export function parseMediaFrame(frame: Uint8Array, type?: 'media' | 'reply'): MediaFrame {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
  const end = bytes.subarray(0, MAX_METADATA_BYTES + DELIMITER.length).indexOf(DELIMITER)
  if (end < 0) throw invalidField('frame', 'must be JSON, <delimiter> and the bytes of a file')
  const metadata = parseMetadata(bytes.subarray(0, end))
  return {
    declaredFormat: [metadata.media_format, metadata.message_format].find(isMediaFormat),
    previousMessageId: isReply(type ?? metadata.message_type) ? readPreviousMessageId(metadata) : undefined,
    clientMessageId: readClientMessageId(metadata),
    bytes: bytes.subarray(end + DELIMITER.length),
  }
}

function isReply(type: unknown): boolean {
  if (type !== 'media' && type !== 'reply') throw invalidField('message_type', 'must be media or reply')
  return type === 'reply'
}

function readPreviousMessageId({ previous_message_id: id }: Record<string, unknown>): string {
  if (typeof id !== 'string') throw invalidField('previous_message_id', 'must be text')
  return id
}

function readClientMessageId({ client_message_id: id }: Record<string, unknown>): string | undefined {
  if (id !== undefined && typeof id !== 'string') throw invalidField('client_message_id', 'must be a UUID')
  return id
}

function parseMetadata(bytes: Buffer): Record<string, unknown> {
  const metadata = isUtf8(bytes) ? parseJson(bytes.toString()) : undefined
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw invalidField('frame', 'must begin with a JSON object')
  }
  return metadata as Record<string, unknown>
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
