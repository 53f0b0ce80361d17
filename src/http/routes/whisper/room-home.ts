import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Text } from '../../../schemas/fields.ts'
import { failures } from '../../../schemas/responses.ts'
import { RoomMessagePage, WHISPER_SECURITY } from '../../../schemas/whisper.ts'
import { roomPageView } from '../../../views/rooms.ts'
import { jsonOrPage, varyByAccept, wantsHtml, wantsJson } from '../../content-negotiation.ts'
import type { WhisperOptions } from '../../options.ts'
import { sendPage } from '../../pages/layout.ts'
import { roomPage } from '../../pages/room.ts'
import { hasBearer, requireTokenOrCookie } from '../../plugins/authenticate.ts'
import { callerOf } from '../../plugins/caller.ts'
import { asAppError, sendError } from '../../plugins/errors.ts'

const ROOM_HOME = '/api/v1/chat/home'

/** The messages of a room, as JSON if `Accept` names it, otherwise as an HTML page. */
export const roomHomeRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  const { rooms, media, config } = options

  varyByAccept(app)
  requireTokenOrCookie(app, options)
  app.setErrorHandler((error, request, reply) => {
    const isSignedOut = asAppError(error)?.status === 401
    if (!isSignedOut || !wantsHtml(request)) return sendError(error, request, reply, config.publicUrl)
    return reply.redirect(`/whisper?next=${encodeURIComponent(request.url)}`)
  })

  app.get(
    `${ROOM_HOME}/:room_id`,
    {
      schema: {
        tags: ['Rooms'],
        security: WHISPER_SECURITY,
        operationId: 'listRoomMessages',
        summary: 'List the messages of a room, newest first. HTML unless `Accept` names application/json',
        params: Type.Object({ room_id: Type.String() }),
        querystring: Type.Object({
          cursor: Type.Optional(
            Text({ description: 'From `previous_messages`. Absent for the newest messages.' }),
          ),
        }),
        response: {
          200: jsonOrPage(RoomMessagePage, 'A page of messages.'),
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
      if (wantsJson(request)) return roomPageView(page, { media, previousUrl })
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
