import type { Multipart } from '@fastify/multipart'
import type { FastifyRequest } from 'fastify'
import type { MediaLibrary, StoredUpload } from '../../domain/media/media-library.ts'
import { isMediaFormat, MEDIA_FORMATS, type MediaFormat } from '../../domain/media/media-types.ts'
import { AppError, invalidField } from '../../errors.ts'
import { drainRequest } from './drain-request.ts'

/** A parsed upload. Its fields may come before or after the file. */
export interface UploadForm {
  upload: StoredUpload
  previousMessageId: string | undefined
  /** A UUID of the sender, as an idempotency key. */
  clientMessageId: string | undefined
}

/** Where an upload is sent, and how to find an earlier message with the same client message id. */
export interface UploadTarget<Sent> {
  roomId: string
  ownerId: string
  findSent: (clientMessageId: string | undefined) => Promise<Sent | undefined>
}

/** Maximum size of an upload without its file. */
const MAX_FORM_BYTES = 65_536
const LIMITS = { fields: 20, parts: 25, fieldSize: 1_024, fieldNameSize: 100, headerPairs: 20 }

/**
 * Reads a `multipart/form-data` upload, and streams its file into the library.
 * @returns the form, or the earlier message if the fields before the file contain the client message id of one.
 * @throws AppError as soon as the upload is known to be invalid. The received bytes are deleted.
 */
export async function readUpload<Sent>(
  request: FastifyRequest,
  media: MediaLibrary,
  { findSent, ...target }: UploadTarget<Sent>,
): Promise<UploadForm | { sent: Sent }> {
  const fields = new Map<string, string>()
  let upload: StoredUpload | undefined
  let sent: Sent | undefined
  try {
    requireUpload(request, media.maxBytes)
    for await (const part of partsOf(request)) {
      if (part.type === 'field') fields.set(part.fieldname, readField(part))
      else if (upload) throw invalidField('file', 'must be one file')
      else {
        sent = await findSent(clientMessageIdIn(fields))
        if (sent) break
        upload = await media.receive(bytesOf(part.file), {
          ...target,
          declaredFormat: declaredFormatIn(fields),
        })
      }
    }
    if (sent) {
      drainRequest(request, media.maxBytes)
      return { sent }
    }
    if (!upload) throw invalidField('file', 'is required')
    return {
      upload: media.withFormat(upload, declaredFormatIn(fields)),
      previousMessageId: fields.get('previous_message_id') || undefined,
      clientMessageId: clientMessageIdIn(fields),
    }
  } catch (error) {
    drainRequest(request, media.maxBytes)
    if (upload) await media.discard(upload)
    throw error
  }
}

function requireUpload(request: FastifyRequest, maxBytes: number): void {
  if (!request.isMultipart()) {
    throw new AppError('unsupported_media_type', { message: 'Send the body as multipart/form-data.' })
  }
  if (Number(request.headers['content-length']) > maxBytes + MAX_FORM_BYTES)
    throw new AppError('media_too_large')
}

async function* partsOf(request: FastifyRequest): AsyncGenerator<Multipart> {
  try {
    // The library checks the size of the file. The parser would silently truncate it.
    yield* request.parts({ limits: { ...LIMITS, fileSize: Number.POSITIVE_INFINITY } })
  } catch (cause) {
    throw new AppError('malformed_upload', { cause })
  }
}

async function* bytesOf(file: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* file
  } catch (cause) {
    throw new AppError('malformed_upload', { cause })
  }
}

function readField({ fieldname, value, valueTruncated }: Multipart & { type: 'field' }): string {
  if (typeof value === 'string' && !valueTruncated) return value
  throw invalidField(fieldname, `must be text of at most ${LIMITS.fieldSize} bytes`)
}

/** HTML forms send an empty text for a field without a value. */
function declaredFormatIn(fields: Map<string, string>): MediaFormat | undefined {
  const format = fields.get('media_format') || undefined
  if (format === undefined || isMediaFormat(format)) return format
  throw invalidField('media_format', `must be one of ${MEDIA_FORMATS.join(', ')}`)
}

function clientMessageIdIn(fields: Map<string, string>): string | undefined {
  return fields.get('client_message_id') || undefined
}
