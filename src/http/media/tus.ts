import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Limits } from '../../config/config.ts'
import { AppError, invalidField } from '../../errors.ts'

/** The version of the tus protocol for resumable uploads (https://tus.io/protocols/resumable-upload). */
export const TUS_VERSION = '1.0.0'
const UPLOAD_PATHS = /^\/+api\/+conversations\/+[^/]+\/+attachments\b/

/**
 * Adds what the server supports to the responses to `OPTIONS` of uploads, which are otherwise answered like any CORS preflight. Call it
 * before CORS is set up.
 */
export function describeUploads(
  app: FastifyInstance,
  { maxAttachmentBytes }: Pick<Limits, 'maxAttachmentBytes'>,
): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (request.method === 'OPTIONS' && UPLOAD_PATHS.test(request.url)) {
      reply.headers({
        'tus-resumable': TUS_VERSION,
        'tus-version': TUS_VERSION,
        'tus-extension': 'creation,termination',
        'tus-max-size': maxAttachmentBytes,
      })
    }
    done()
  })
}

/** The content type of the bytes of an upload. */
export const UPLOAD_CONTENT_TYPE = 'application/offset+octet-stream'

/** Adds the version to a response. @throws AppError `tus_version_unsupported` if the client uses another one. */
export function negotiateTus({ headers }: FastifyRequest, reply: FastifyReply): void {
  reply.header('tus-resumable', TUS_VERSION)
  if ((headers['tus-resumable'] ?? TUS_VERSION) === TUS_VERSION) return
  reply.header('tus-version', TUS_VERSION)
  throw new AppError('tus_version_unsupported')
}

/** Reads a header that is a number of bytes. @throws AppError `validation_failed` */
export function readByteCount({ headers }: FastifyRequest, name: 'upload-length' | 'upload-offset'): number {
  const text = String(headers[name] ?? '')
  const count = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(count)) return count
  throw invalidField(name, 'must be a number of bytes')
}
