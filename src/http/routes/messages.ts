import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Message } from '../../domain/conversations/messages.ts'
import type { Page } from '../../domain/shared/pagination.ts'
import { MessagePage } from '../../schemas/conversations.ts'
import { SeqText, Uuid } from '../../schemas/fields.ts'
import { failures } from '../../schemas/responses.ts'
import { caughtUpView, messageView } from '../../views/messages.ts'
import type { RouteOptions } from '../options.ts'
import { PageQuery, readPageQuery } from '../page-query.ts'
import { callerOf } from '../plugins/caller.ts'

const HistoryQuery = Type.Object({
  ...PageQuery.properties,
  conversation_id: Uuid(),
  after_seq: Type.Optional(
    SeqText(
      'Requests the changes after this `seq` instead of a page. If there are too many, the newest messages are returned.',
    ),
  ),
})

/** Message history. */
export const messageRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (app, { messages, dialect }) => {
  const pageOf = (page: Page<Message>) =>
    dialect.namedPage('messages', page, (message) => messageView(dialect, message))

  app.get(
    '/messages',
    {
      schema: {
        tags: ['Conversations'],
        operationId: 'listMessages',
        summary: 'List the messages of a conversation, newest first, or its changes after `after_seq`',
        querystring: HistoryQuery,
        response: { 200: MessagePage, ...failures(400, 401, 403, 422, 429) },
      },
    },
    async (request) => {
      const { userId } = callerOf(request)
      const { conversation_id: conversationId, after_seq: afterSeq } = request.query
      if (afterSeq === undefined) {
        return pageOf(await messages.history(userId, { ...readPageQuery(request.query), conversationId }))
      }
      const caughtUp = await messages.since(userId, conversationId, Number(afterSeq))
      return caughtUpView(dialect, caughtUp, pageOf)
    },
  )
}
