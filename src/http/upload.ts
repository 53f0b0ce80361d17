import type { Multipart } from '@fastify/multipart'
import type { FastifyRequest } from 'fastify'
import type { MediaFormat, MediaLibrary, StoredUpload } from '../domain/media.ts'
import { AppError, invalidField } from '../errors.ts'

/** What an upload has besides its file; the fields may come before it or after it. */
export interface UploadForm {
  upload: StoredUpload
  previousMessageId: string | undefined
  /** The sender's own name for it. */
  clientMessageId: string | undefined
}

/** What an upload is read for, and what was sent before under a name of the sender's. */
export interface UploadPlace<Sent> {
  roomId: string
  ownerId: string
  findSent: (clientMessageId: string | undefined) => Promise<Sent | undefined>
}

/** Bytes that an upload may have besides its file. */
const FORM_BYTES = 65_536
const LIMITS = { fields: 20, parts: 25, fieldSize: 1_024, fieldNameSize: 100, headerPairs: 20 }

const FORMATS: readonly string[] = ['image', 'audio', 'video'] satisfies MediaFormat[]

/**
 * Reads a `multipart/form-data` upload as it comes, its file into the library.
 * @returns the form; or, if its fields came first and say that it was sent before, what was sent then.
 * @throws AppError as soon as it is clear that it will not be taken; nothing is left of it then.
 */
export async function readUpload<Sent>(
  request: FastifyRequest,
  media: MediaLibrary,
  { findSent, ...place }: UploadPlace<Sent>,
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
        sent = await findSent(nameIn(fields))
        if (sent) break
        upload = await media.receive(bytesOf(part.file), { ...place, claimed: claimIn(fields) })
      }
    }
    if (sent) {
      sink(request, media.maxBytes)
      return { sent }
    }
    if (!upload) throw invalidField('file', 'is required')
    return {
      upload: media.claim(upload, claimIn(fields)),
      previousMessageId: fields.get('previous_message_id') || undefined,
      clientMessageId: nameIn(fields),
    }
  } catch (error) {
    sink(request, media.maxBytes)
    if (upload) await media.discard(upload)
    throw error
  }
}

function requireUpload(request: FastifyRequest, maxBytes: number): void {
  if (!request.isMultipart()) {
    throw new AppError('unsupported_media_type', { message: 'Send the body as multipart/form-data.' })
  }
  if (Number(request.headers['content-length']) > maxBytes + FORM_BYTES) throw new AppError('media_too_large')
}

async function* partsOf(request: FastifyRequest): AsyncGenerator<Multipart> {
  try {
    // The library counts the bytes of the file: here they would only be cut off, in silence.
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

/** An empty field is what a form sends that was not filled in. */
function claimIn(fields: Map<string, string>): MediaFormat | undefined {
  const format = fields.get('media_format') || undefined
  if (format === undefined || FORMATS.includes(format)) return format as MediaFormat | undefined
  throw invalidField('media_format', `must be one of ${FORMATS.join(', ')}`)
}

function nameIn(fields: Map<string, string>): string | undefined {
  return fields.get('client_message_id') || undefined
}

/** Lets the rest of a refused upload come, so that its sender gets to read the answer; not for ever. */
function sink({ raw }: FastifyRequest, maxBytes: number): void {
  let sunk = 0
  raw.unpipe()
  raw.on('data', (chunk: Buffer) => {
    sunk += chunk.length
    if (sunk > maxBytes) raw.destroy()
  })
  raw.resume()
}
