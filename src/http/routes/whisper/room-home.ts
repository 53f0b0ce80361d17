import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { Text } from '../../../validation.ts'
import { roomPageView } from '../../../views/rooms.ts'
import type { WhisperOptions } from '../../options.ts'
import { sendPage } from '../../pages/layout.ts'
import { roomPage } from '../../pages/room.ts'
import { callerOf } from '../../plugins/authenticate.ts'
import { asAppError, sendError } from '../../plugins/errors.ts'
import { hasBearer, requireCaller } from '../../plugins/session.ts'
import { failures, NullableText } from '../../schemas.ts'
import { WHISPER_SECURITY } from './schemas.ts'

const ROOM_HOME = '/api/v1/chat/home'

/** A message, as pages of messages list it. */
export const RoomMessage = Type.Object({
  id: Type.String(),
  message_format: Type.Enum(['text', 'image', 'audio', 'video']),
  text_content: NullableText('Null for media.'),
  image_content: NullableText('A URL that is good for an hour.'),
  audio_content: NullableText('A URL that is good for an hour.'),
  video_content: NullableText('A URL that is good for an hour.'),
  is_reply: Type.Boolean(),
  previous_message_id: NullableText('The message it answers.'),
  previous_message_content: NullableText('Its text, or IMAGE, AUDIO or VIDEO.'),
  previous_message_type: NullableText('Its message_format.'),
  previous_sender_username: NullableText('Who sent it.'),
  sender: Type.String({ description: 'The id of a user.' }),
  room: Type.String(),
  created: Type.String({ description: 'Like `Oct. 18, 2023, 12:00 p.m.`, in UTC.' }),
  date: Type.String(),
  time: Type.String(),
  username: Type.String(),
})

const Messages = Type.Object({
  results: Type.Array(RoomMessage, { description: 'At most ten, the newest first.' }),
  previous_messages: NullableText('The URL of the messages before these; null when there are none.'),
})

/** What was said in a room: JSON for who asks for it, a page for everyone else. */
export const roomHomeRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  const { rooms, media, limits, config } = options

  app.addHook('onRequest', async (_request, reply) => {
    const others = reply.getHeader('vary')
    reply.header('vary', others === undefined ? 'Accept' : `${others}, Accept`)
  })
  requireCaller(app, limits)
  app.setErrorHandler((error, request, reply) => {
    const isSignedOut = asAppError(error)?.status === 401
    if (!isSignedOut || !isBrowser(request)) return sendError(error, request, reply)
    return reply.redirect(`/whisper?next=${encodeURIComponent(request.url)}`)
  })

  app.get(
    `${ROOM_HOME}/:room_id`,
    {
      schema: {
        tags: ['Rooms'],
        security: WHISPER_SECURITY,
        summary: 'The messages of a room, newest first; a page unless `Accept` names application/json',
        params: Type.Object({ room_id: Type.String() }),
        querystring: Type.Object({
          cursor: Type.Optional(Text({ description: 'As in `previous_messages`; absent for the newest.' })),
        }),
        response: {
          200: {
            description: 'A page of messages.',
            content: {
              'application/json': { schema: Messages },
              'text/html': { schema: Type.String() },
            },
          },
          ...failures(400, 401, 403, 404, 422, 429),
        },
      },
    },
    async (request, reply) => {
      const { cursor } = request.query
      const { userId } = callerOf(request)
      const { room, member } = await rooms.open(request.params.room_id, userId)
      const page = await rooms.history(room.id, userId, { cursor })
      const previousUrl = (next: string) => `${config.publicUrl}${ROOM_HOME}/${room.id}/?cursor=${next}`
      if (accepts(request, 'application/json')) return roomPageView(page, { media, previousUrl })
      return sendPage(
        reply,
        roomPage({
          room,
          username: member.username,
          messages: page.items,
          previousMessages: page.pageToken === null ? null : previousUrl(page.pageToken),
          isNewest: cursor === undefined,
          hasCookie: !hasBearer(request),
          maxMediaBytes: config.limits.maxMediaBytes,
          mediaUrl: media.url,
        }),
        config.publicUrl,
      )
    },
  )
}

/** Whether the request asks for pages: what a script asks for is JSON, or nothing in particular. */
function isBrowser(request: FastifyRequest): boolean {
  return accepts(request, 'text/html') && !accepts(request, 'application/json')
}

/** Whether `Accept` names the type itself, and not with a weight of nothing (RFC 9110, section 12.5.1). */
function accepts({ headers }: FastifyRequest, type: string): boolean {
  const ranges = headers.accept?.toLowerCase().split(',') ?? []
  return ranges.some((range) => {
    const [name, ...parameters] = range.split(';').map((part) => part.trim())
    return name === type && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
  })
}
