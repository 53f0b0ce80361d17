import multipart from '@fastify/multipart'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { type LinkedMedia, type LinkQuery, uploadLimit } from '../../../domain/media/media-library.ts'
import { MEDIA_FORMATS } from '../../../domain/media/media-types.ts'
import { AppError } from '../../../errors.ts'
import { Uuid } from '../../../input/validation.ts'
import { listedMessageView } from '../../../views/rooms.ts'
import { isKnown, requestedRange } from '../../media/byte-ranges.ts'
import { readUpload } from '../../media/upload.ts'
import type { WhisperOptions } from '../../options.ts'
import { requireTokenOrCookie } from '../../plugins/authenticate.ts'
import { SLOW_BODY } from '../../plugins/body-timeout.ts'
import { callerOf } from '../../plugins/caller.ts'
import { Binary, failures } from '../../schemas/responses.ts'
import { RoomMessage, WHISPER_SECURITY } from '../../schemas/whisper.ts'

const PREFIX = '/api/v1/chat'
const tags = ['Media']

/** The images, sounds and videos of rooms: sent by members, and given to whoever has a link. */
export const mediaRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  await app.register(linkRoutes, options)
  await app.register(uploadRoutes, options)
}

const linkRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, { media, limits }) => {
  const path = `${PREFIX}/media/:id`
  const bytes = (description: string) => ({ description, content: { '*/*': { schema: Binary } } })
  const schema = {
    tags,
    operationId: 'getMedia',
    summary: 'A file, by a link from a message',
    description:
      'Such links are in the messages that members see. Each opens one file for an hour, to whoever has it.',
    params: Type.Object({ id: Type.String() }),
    querystring: Type.Object({
      expires: Type.Optional(Type.Unsafe<unknown>({ description: 'Seconds since the epoch.' })),
      signature: Type.Optional(Type.Unsafe<unknown>({ description: 'Of the file and the time.' })),
    }),
  }

  app.get<{ Params: { id: string }; Querystring: LinkQuery }>(
    path,
    {
      // The route that Fastify would make answers by reading the whole file.
      exposeHeadRoute: false,
      schema: {
        ...schema,
        response: {
          200: bytes('The file.'),
          206: bytes('The range that was asked for.'),
          ...failures(403, 404, 429),
        },
      },
    },
    async (request, reply) => {
      const found = await follow(request)
      const { id, size } = found
      const etag = etagOf(found)
      if (isKnown(request.headers['if-none-match'], etag)) {
        describe(reply, found).code(304)
        return null
      }
      const range = requestedRange(request.headers, { size, etag })
      if (range === 'unsatisfiable') {
        reply.header('content-range', `bytes */${size}`)
        throw new AppError('range_not_satisfiable')
      }
      const stream = await media.open(id, range)
      describe(reply, found).header('content-length', range ? range.end - range.start + 1 : size)
      if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`)
      return stream
    },
  )

  app.head<{ Params: { id: string }; Querystring: LinkQuery }>(
    path,
    { schema: { ...schema, hide: true } },
    async (request, reply) => {
      const found = await follow(request)
      describe(reply, found).header('content-length', found.size)
      return null
    },
  )

  /** Good links cost no limit: a page of a room has many, and whole offices share an address. */
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
      // The body is judged as it comes.
      validatorCompiler: () => () => true,
      schema: {
        tags,
        security: WHISPER_SECURITY,
        operationId: 'uploadRoomMedia',
        summary: 'Send an image, a sound or a video to a room',
        description: `At most ${media.maxBytes} bytes. What a file is, its bytes decide.`,
        consumes: ['multipart/form-data'],
        params: Type.Object({ room_id: Type.String() }),
        body: Type.Object({
          file: Binary,
          media_format: Type.Optional(
            Type.Enum([...MEDIA_FORMATS], { description: 'Which it is, where it could be two.' }),
          ),
          previous_message_id: Type.Optional(Type.String({ description: 'The message it answers.' })),
          client_message_id: Type.Optional(
            Uuid({ description: 'Your own name for it, to send it again safely. To come before the file.' }),
          ),
        }),
        response: {
          201: { ...RoomMessage, description: 'The message, which every member of the room receives.' },
          ...failures(400, 401, 403, 404, 422, 429),
        },
      },
    },
    async (request, reply) => {
      const { userId } = callerOf(request)
      const { room_id: roomId } = request.params
      await rooms.requireMember(roomId, userId)
      const findSent = (name: string | undefined) => rooms.findSent(roomId, userId, name)
      const place = { roomId, ownerId: userId, findSent }
      const read = () => readUpload(request, media, place)
      const form = await (config.rateLimits ? uploads.run(userId, read) : read())
      reply.code(201)
      if ('sent' in form) return listedMessageView(form.sent, media.url)
      const { upload, ...post } = form
      return listedMessageView(await rooms.post(roomId, userId, { ...post, media: upload }), media.url)
    },
  )
}

/** What a file is sent with: it is shown as what it is, runs nothing, and is kept no longer than its link is good. */
function describe(reply: FastifyReply, found: LinkedMedia): FastifyReply {
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
