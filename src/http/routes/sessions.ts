import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { SessionList } from '../../schemas/accounts.ts'
import { failures, NoContent } from '../../schemas/responses.ts'
import { sessionView } from '../../views/sessions.ts'
import { deviceOf } from '../device.ts'
import type { RouteOptions } from '../options.ts'
import { callerOf } from '../plugins/caller.ts'

const tags = ['Sessions']

/** The sessions of the caller. */
export const sessionRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (app, { sessions }) => {
  app.get(
    '/sessions',
    {
      schema: {
        tags,
        operationId: 'listSessions',
        summary: 'List the sessions of the user',
        response: {
          200: SessionList,
          ...failures(401, 429),
        },
      },
    },
    async (request) => {
      const { userId, sessionId } = callerOf(request)
      const all = await sessions.list(userId)
      return { items: all.map((session) => sessionView(session, sessionId)) }
    },
  )

  app.delete(
    '/sessions/:id',
    {
      schema: {
        tags,
        operationId: 'revokeSession',
        summary: 'End one session of the user',
        params: Type.Object({ id: Type.String() }),
        response: { 204: NoContent, ...failures(401, 404, 429) },
      },
    },
    async (request, reply) => {
      const { userId, sessionId: by } = callerOf(request)
      await sessions.revoke(userId, request.params.id, { by, ...deviceOf(request) })
      reply.code(204)
    },
  )
}
