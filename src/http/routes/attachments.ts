import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'
import { AppError, invalidField } from '../../errors.ts'
import { CreatedAttachment } from '../../schemas/attachments.ts'
import { Binary, failures, NoContent } from '../../schemas/responses.ts'
import { isKnown, requestedRange } from '../media/byte-ranges.ts'
import { drainRequest } from '../media/drain-request.ts'
import { negotiateTus, readByteCount, UPLOAD_CONTENT_TYPE } from '../media/tus.ts'
import type { RouteOptions } from '../options.ts'
import { SLOW_BODY } from '../plugins/body-timeout.ts'
import { callerOf } from '../plugins/caller.ts'

const tags = ['Attachments']
const PATH = '/conversations/:id/attachments'
const ITEM_PATH = `${PATH}/:attachment_id`
/** Bytes of a rejected body that are read, so that its client reads the response. */
const MAX_DRAINED_BYTES = 1_048_576

const Conversation = { id: Type.String({ description: 'The id of the conversation.' }) }
const Item = Type.Object({ ...Conversation, attachment_id: Type.String() })

interface ItemParams {
  id: string
  attachment_id: string
}

const refOf = ({ id, attachment_id }: ItemParams) => ({ conversationId: id, id: attachment_id })

/** The attachments of conversations: resumable uploads by the tus protocol, and downloads. */
export const attachmentRoutes: FastifyPluginAsync<RouteOptions> = async (app, options) => {
  await app.register(uploadRoutes, options)
  await app.register(downloadRoutes, options)
}

const uploadRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (app, { attachments }) => {
  app.addHook('onRequest', async (request, reply) => negotiateTus(request, reply))
  // The handler reads the body.
  app.addContentTypeParser(UPLOAD_CONTENT_TYPE, (_request, _body, done) => done(null))

  app.post<{ Params: { id: string } }>(
    PATH,
    {
      schema: {
        tags,
        operationId: 'createAttachment',
        summary: 'Begin the upload of an attachment',
        description: `The header \`Upload-Length\` has its size, at most ${attachments.maxBytes} bytes. The bytes follow with \`PATCH\`, as described by version 1.0.0 of the tus protocol.`,
        params: Type.Object(Conversation),
        response: { 201: CreatedAttachment, ...failures(401, 403, 422, 429) },
      },
    },
    async (request, reply) => {
      const size = readByteCount(request, 'upload-length')
      if (size === 0) throw invalidField('upload-length', 'must be at least 1')
      const created = await attachments.create(callerOf(request).userId, request.params.id, size)
      const location = `/api/conversations/${created.conversationId}/attachments/${created.id}`
      reply.code(201).header('location', location)
      return { id: created.id, size }
    },
  )

  app.head<{ Params: ItemParams }>(
    ITEM_PATH,
    { schema: { tags, hide: true, params: Item } },
    async (request, reply) => {
      const { received, size } = await attachments.find(callerOf(request).userId, refOf(request.params))
      reply.header('upload-offset', received).header('upload-length', size)
      return null
    },
  )

  app.patch<{ Params: ItemParams }, typeof SLOW_BODY>(
    ITEM_PATH,
    {
      config: SLOW_BODY,
      schema: {
        tags,
        operationId: 'uploadAttachment',
        summary: 'Upload the next bytes of an attachment',
        description:
          'The header `Upload-Offset` has the number of bytes that the server has: `HEAD` returns it. After an interruption the client asks again, and continues there.',
        consumes: [UPLOAD_CONTENT_TYPE],
        params: Item,
        response: { 204: NoContent, ...failures(401, 403, 404, 409, 422, 429) },
      },
    },
    async (request, reply) => {
      try {
        if (request.headers['content-type'] !== UPLOAD_CONTENT_TYPE) throw wrongContentType()
        const offset = await attachments.receive(callerOf(request).userId, refOf(request.params), {
          offset: readByteCount(request, 'upload-offset'),
          length: Number(request.headers['content-length']) || undefined,
          bytes: request.raw,
        })
        reply.code(204).header('upload-offset', offset)
        return null
      } finally {
        drainRequest(request, MAX_DRAINED_BYTES)
      }
    },
  )

  app.delete<{ Params: ItemParams }>(
    ITEM_PATH,
    {
      schema: {
        tags,
        operationId: 'deleteAttachment',
        summary: 'Delete an own upload that no message has',
        params: Item,
        response: { 204: NoContent, ...failures(401, 403, 404, 429) },
      },
    },
    async (request, reply) => {
      await attachments.discard(callerOf(request).userId, refOf(request.params))
      reply.code(204)
      return null
    },
  )
}

const downloadRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (app, { attachments }) => {
  const binary = (description: string) => ({
    description,
    content: { 'application/octet-stream': { schema: Binary } },
  })

  app.get<{ Params: ItemParams }>(
    ITEM_PATH,
    {
      // `HEAD` reports the offset of an upload.
      exposeHeadRoute: false,
      schema: {
        tags,
        operationId: 'getAttachment',
        summary: 'Download an attachment',
        description:
          'For the members of the conversation, as long as a message has the attachment; before, for its uploader. Supports `Range` and `If-None-Match`.',
        params: Item,
        response: {
          200: binary('The attachment, encrypted by the client of its uploader.'),
          206: binary('The requested range.'),
          ...failures(401, 403, 404, 429),
        },
      },
    },
    async (request, reply) => {
      const found = await attachments.findComplete(callerOf(request).userId, refOf(request.params))
      const { id, size } = found
      const etag = `"${id}"`
      reply
        .header('content-type', 'application/octet-stream')
        .header('content-disposition', `attachment; filename="${id}"`)
        .header('content-security-policy', "sandbox; default-src 'none'")
        .header('accept-ranges', 'bytes')
        .header('etag', etag)
        // Each use of a cached copy checks the membership again.
        .header('cache-control', 'private, no-cache')
      if (isKnown(request.headers['if-none-match'], etag)) {
        reply.code(304)
        return null
      }
      const range = requestedRange(request.headers, { size, etag })
      if (range === 'unsatisfiable') {
        reply.header('content-range', `bytes */${size}`)
        throw new AppError('range_not_satisfiable')
      }
      const stream = await attachments.read(found, range)
      reply.header('content-length', range ? range.end - range.start + 1 : size)
      if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`)
      return stream
    },
  )
}

function wrongContentType(): AppError {
  return new AppError('unsupported_media_type', { message: `Send the bytes as ${UPLOAD_CONTENT_TYPE}.` })
}
