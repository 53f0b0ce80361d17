import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { RouteOptions } from '../options.ts'
import { callerOf } from '../plugins/authenticate.ts'
import { failures, NullableText } from '../schemas.ts'

/** What can be asked about conversations without a socket. */
export const conversationRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (app, { conversations }) => {
  app.get(
    '/conversations/private/:user_id',
    {
      schema: {
        tags: ['Conversations'],
        summary: 'The private conversation with another user, if there is one',
        params: Type.Object({
          user_id: Type.String({ description: 'Anything but the id of a user has none.' }),
        }),
        response: {
          200: Type.Object(
            { conversation_id: NullableText('Null when there is none.') },
            { description: 'Its id.' },
          ),
          ...failures(401, 429),
        },
      },
    },
    async (request) => ({
      conversation_id: await conversations.findPrivate(callerOf(request).userId, request.params.user_id),
    }),
  )
}
