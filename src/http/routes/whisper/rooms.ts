import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { PageSizeText, Text } from '../../../validation.ts'
import { roomView } from '../../../views/rooms.ts'
import type { WhisperOptions } from '../../options.ts'
import { callerOf } from '../../plugins/authenticate.ts'
import { requireCaller } from '../../plugins/session.ts'
import { failures, List, NoContent } from '../../schemas.ts'
import { WHISPER_SECURITY } from './schemas.ts'

const PREFIX = '/api/v1/chat'
const MAX_USERS = 500

const Room = Type.Object(
  {
    id: Type.String(),
    room_name: Type.String(),
    users: Type.Array(Type.String(), { description: 'The ids of the members.' }),
    creator: Type.String(),
    created: Type.String({ description: 'UTC.' }),
  },
  { description: 'The room as it is now.' },
)

/** Who exists is for the rule to say, which names those who do not. */
const UserIds = List(Type.String({ maxLength: 100 }), {
  maxItems: MAX_USERS,
  description: 'Ids of users, short or UUIDs; some may be named twice.',
})
const RoomId = { room_id: Type.String() }

const tags = ['Rooms']
const security = WHISPER_SECURITY

/** Rooms, and who is in them. */
export const roomRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, { rooms, limits }) => {
  requireCaller(app, limits)

  app.get(
    `${PREFIX}/room-list`,
    {
      schema: {
        tags,
        security,
        summary: 'All rooms, newest first',
        querystring: Type.Object({
          limit: Type.Optional(PageSizeText),
          before: Type.Optional(Text({ description: 'The id of a room: only older ones are listed.' })),
        }),
        response: {
          200: Type.Array(Room, { description: 'The rooms, whether or not the caller is in them.' }),
          ...failures(401, 422, 429),
        },
      },
    },
    async ({ query: { limit, before } }) => {
      const found = await rooms.list({ before, limit: limit === undefined ? undefined : Number(limit) })
      return found.map(roomView)
    },
  )

  app.post(
    `${PREFIX}/room-list`,
    {
      schema: {
        tags,
        security,
        summary: 'Create a room; the caller is a member of it',
        body: Type.Object({
          room_name: Type.String({ description: 'From 1 to 120 characters, as no other room is named.' }),
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
        summary: 'Add users to a room that the caller is in',
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
        summary: 'Take a member out of a room: its creator anyone else, a member themself',
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
