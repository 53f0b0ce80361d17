import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { List, PageSizeText, Text } from '../../../schemas/fields.ts'
import { failures, NoContent } from '../../../schemas/responses.ts'
import { Room, WHISPER_SECURITY } from '../../../schemas/whisper.ts'
import { roomView } from '../../../views/rooms.ts'
import type { WhisperOptions } from '../../options.ts'
import { requireTokenOrCookie } from '../../plugins/authenticate.ts'
import { callerOf } from '../../plugins/caller.ts'

const PREFIX = '/api/v1/chat'
const MAX_USERS = 500

/** Unknown ids are rejected by the domain, which names them in the error. */
const UserIds = List(Type.String({ maxLength: 100 }), {
  maxItems: MAX_USERS,
  description: 'Short ids or UUIDs of users. Duplicates are ignored.',
})
const Limit = { ...PageSizeText, description: 'From 1 to 100. Defaults to 100.' }
const RoomId = { room_id: Type.String() }

const tags = ['Rooms']
const security = WHISPER_SECURITY

/** Rooms and their members. */
export const roomRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  const { rooms } = options
  requireTokenOrCookie(app, options)

  app.get(
    `${PREFIX}/room-list`,
    {
      schema: {
        tags,
        security,
        operationId: 'listRooms',
        summary: 'List rooms, newest first',
        querystring: Type.Object({
          limit: Type.Optional(Limit),
          before: Type.Optional(Text({ description: 'The id of a room. Only older rooms are listed.' })),
        }),
        response: {
          200: Type.Array(Room, { description: 'The rooms, whether or not the caller is in them.' }),
          ...failures(401, 422, 429),
        },
      },
    },
    async ({ query: { limit, before } }) => {
      const found = await rooms.list({ before, ...(limit !== undefined && { limit: Number(limit) }) })
      return found.map(roomView)
    },
  )

  app.post(
    `${PREFIX}/room-list`,
    {
      schema: {
        tags,
        security,
        operationId: 'createRoom',
        summary: 'Create a room with the caller as a member',
        body: Type.Object({
          room_name: Type.String({ description: 'From 1 to 120 characters. Must be unique.' }),
          user_ids: Type.Optional(UserIds),
        }),
        response: { 201: Room, ...failures(401, 403, 409, 422, 429) },
      },
    },
    async (request, reply) => {
      const { room_name: name, user_ids: userIds = [] } = request.body
      reply.code(201)
      return roomView(await rooms.create(callerOf(request).userId, { name, userIds }))
    },
  )

  app.post(
    `${PREFIX}/rooms/:room_id/users`,
    {
      schema: {
        tags,
        security,
        operationId: 'addRoomMembers',
        summary: 'Add users to a room of the caller',
        params: Type.Object(RoomId),
        body: Type.Object({ user_ids: UserIds }),
        response: { 200: Room, ...failures(401, 403, 404, 422, 429) },
      },
    },
    async (request) => {
      const { params, body } = request
      return roomView(await rooms.addMembers(params.room_id, callerOf(request).userId, body.user_ids))
    },
  )

  app.delete(
    `${PREFIX}/rooms/:room_id/users/:user_id`,
    {
      schema: {
        tags,
        security,
        operationId: 'removeRoomMember',
        summary: 'Remove a member from a room. The creator may remove others; members may remove themselves',
        params: Type.Object({ ...RoomId, user_id: Type.String() }),
        response: { 204: NoContent, ...failures(401, 403, 404, 409, 429) },
      },
    },
    async (request, reply) => {
      const { room_id: roomId, user_id: userId } = request.params
      await rooms.removeMember(roomId, callerOf(request).userId, userId)
      reply.code(204)
    },
  )
}
