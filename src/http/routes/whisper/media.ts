import multipart from '@fastify/multipart'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { type LinkedMedia, type LinkQuery, uploadLimit } from '../../../domain/media/media-library.ts'
import { MEDIA_FORMATS } from '../../../domain/media/media-types.ts'
import { AppError } from '../../../errors.ts'
import { Uuid } from '../../../schemas/fields.ts'
import { Binary, failures } from '../../../schemas/responses.ts'
import { RoomMessage, WHISPER_SECURITY } from '../../../schemas/whisper.ts'
import { listedMessageView } from '../../../views/rooms.ts'
import { isKnown, requestedRange } from '../../media/byte-ranges.ts'
import { readUpload } from '../../media/upload.ts'
import type { WhisperOptions } from '../../options.ts'
import { requireTokenOrCookie } from '../../plugins/authenticate.ts'
import { SLOW_BODY } from '../../plugins/body-timeout.ts'
import { callerOf } from '../../plugins/caller.ts'

const PREFIX = '/api/v1/chat'
const tags = ['Media']

/** The image, audio and video files of rooms. Members upload them; anyone with a signed link can download them. */
export const mediaRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  await app.register(linkRoutes, options)
  await app.register(uploadRoutes, options)
}

const linkRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, { media, limits }) => {
  const path = `${PREFIX}/media/:id`
  const binary = (description: string) => ({ description, content: { '*/*': { schema: Binary } } })
  const schema = {
    tags,
    operationId: 'getMedia',
    summary: 'Download a file by a signed link from a message',
    description: 'A link is valid for one file and one hour. Anyone who has it can use it.',
    params: Type.Object({ id: Type.String() }),
    querystring: Type.Object({
      expires: Type.Optional(Type.Unsafe<unknown>({ description: 'Seconds since the epoch.' })),
      signature: Type.Optional(Type.Unsafe<unknown>({ description: 'Signs the file and the expiry.' })),
    }),
  }

  app.get<{ Params: { id: string }; Querystring: LinkQuery }>(
    path,
    {
      // The HEAD route that Fastify generates would read the whole file.
      exposeHeadRoute: false,
      schema: {
        ...schema,
        response: {
          200: binary('The file.'),
          206: binary('The requested range.'),
          ...failures(403, 404, 429),
        },
      },
    },
    async (request, reply) => {
      const found = await follow(request)
      const { id, size } = found
      const etag = etagOf(found)
      if (isKnown(request.headers['if-none-match'], etag)) {
        setFileHeaders(reply, found).code(304)
        return null
      }
      const range = requestedRange(request.headers, { size, etag })
      if (range === 'unsatisfiable') {
        reply.header('content-range', `bytes */${size}`)
        throw new AppError('range_not_satisfiable')
      }
      const stream = await media.open(id, range)
      setFileHeaders(reply, found).header('content-length', range ? range.end - range.start + 1 : size)
      if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`)
      return stream
    },
  )

  app.head<{ Params: { id: string }; Querystring: LinkQuery }>(
    path,
    { schema: { ...schema, hide: true } },
    async (request, reply) => {
      const found = await follow(request)
      setFileHeaders(reply, found).header('content-length', found.size)
      return null
    },
  )

  /** Counts only invalid links as requests: a room page has many links, and many users may share an address. */
  async function follow(
    request: FastifyRequest<{ Params: { id: string }; Querystring: LinkQuery }>,
  ): Promise<LinkedMedia> {
    try {
      return await media.follow(request.params.id, request.query)
    } catch (error) {
      await limits.requests(request)
      throw error
    }
  }
}

const uploadRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  const { config, media, rooms } = options
  const uploads = uploadLimit()
  requireTokenOrCookie(app, options)
  await app.register(multipart)

  app.post<{ Params: { room_id: string } }, typeof SLOW_BODY>(
    `${PREFIX}/rooms/:room_id/media`,
    {
      config: SLOW_BODY,
      // `readUpload` validates the body while it streams.
      validatorCompiler: () => () => true,
      schema: {
        tags,
        security: WHISPER_SECURITY,
        operationId: 'uploadRoomMedia',
        summary: 'Send an image, audio or video file to a room',
        description: `At most ${media.maxBytes} bytes. The server detects the type from the bytes.`,
        consumes: ['multipart/form-data'],
        params: Type.Object({ room_id: Type.String() }),
        body: Type.Object({
          file: Binary,
          media_format: Type.Optional(
            Type.Enum([...MEDIA_FORMATS], { description: 'Decides if the bytes allow several formats.' }),
          ),
          previous_message_id: Type.Optional(Type.String({ description: 'The message that it replies to.' })),
          client_message_id: Type.Optional(
            Uuid({ description: 'An idempotency key. Must precede the file.' }),
          ),
        }),
        response: {
          201: { ...RoomMessage, description: 'The message. Every member of the room receives it.' },
          ...failures(400, 401, 403, 404, 422, 429),
        },
      },
    },
    async (request, reply) => {
      const { userId } = callerOf(request)
      const { room_id: roomId } = request.params
      await rooms.requireMember(roomId, userId)
      const findSent = (clientMessageId: string | undefined) =>
        rooms.findSent(roomId, userId, clientMessageId)
      const target = { roomId, ownerId: userId, findSent }
      const read = () => readUpload(request, media, target)
      const form = await (config.rateLimits ? uploads.run(userId, read) : read())
      reply.code(201)
      if ('sent' in form) return listedMessageView(form.sent, media.url)
      const { upload, ...post } = form
      return listedMessageView(await rooms.post(roomId, userId, { ...post, media: upload }), media.url)
    },
  )
}

/** Sets the headers of a file: its exact type, a policy under which it runs no scripts, and caching until its link expires. */
function setFileHeaders(reply: FastifyReply, found: LinkedMedia): FastifyReply {
  return reply
    .header('content-type', found.contentType)
    .header('content-disposition', `inline; filename="${found.filename}"`)
    .header('content-security-policy', "sandbox; default-src 'none'")
    .header('cross-origin-resource-policy', 'cross-origin')
    .header('accept-ranges', 'bytes')
    .header('etag', etagOf(found))
    .header('cache-control', `private, max-age=${Math.floor(found.leftMs / 1_000)}, immutable`)
}

function etagOf({ id }: LinkedMedia): string {
  return `"${id}"`
}
