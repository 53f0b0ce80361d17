import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { sessionView } from '../../views/sessions.ts'
import type { RouteOptions } from '../options.ts'
import { callerOf } from '../plugins/authenticate.ts'
import { failures, NoContent, Session } from '../schemas.ts'

const tags = ['Sessions']

/** Where the caller is signed in. */
export const sessionRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (app, { sessions }) => {
  app.get(
    '/sessions',
    {
      schema: {
        tags,
        summary: 'The sessions of the user',
        response: {
          200: Type.Object({ items: Type.Array(Session) }, { description: 'The last used first.' }),
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
        summary: 'End one session of the user',
        params: Type.Object({ id: Type.String() }),
        response: { 204: NoContent, ...failures(401, 404, 429) },
      },
    },
    async (request, reply) => {
      await sessions.revoke(callerOf(request).userId, request.params.id)
      reply.code(204)
    },
  )
}
