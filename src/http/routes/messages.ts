import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Uuid } from '../../validation.ts'
import { messageView } from '../../views/messages.ts'
import type { RouteOptions } from '../options.ts'
import { PageQuery, readPageQuery } from '../page-query.ts'
import { callerOf } from '../plugins/authenticate.ts'
import { failures, Message, pageSchema } from '../schemas.ts'

const HistoryQuery = Type.Object({
  ...PageQuery.properties,
  conversation_id: Uuid(),
})

/** Message history. */
export const messageRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (
  app,
  { messages, dialect, contract },
) => {
  app.get(
    '/messages',
    {
      schema: {
        tags: ['Conversations'],
        summary: 'The messages of a conversation, newest first',
        querystring: HistoryQuery,
        response: { 200: pageSchema(contract, 'messages', Message), ...failures(400, 401, 403, 422, 429) },
      },
    },
    async (request) => {
      const page = await messages.history(callerOf(request).userId, {
        ...readPageQuery(request.query),
        conversationId: request.query.conversation_id,
      })
      return dialect.namedPage('messages', page, (message) => messageView(dialect, message))
    },
  )
}
