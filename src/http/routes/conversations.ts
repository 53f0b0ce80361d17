import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { ConversationKeys } from '../../schemas/conversation-keys.ts'
import { ConversationPage, PrivateConversation } from '../../schemas/conversations.ts'
import { failures } from '../../schemas/responses.ts'
import { conversationKeysView, listedConversationView } from '../../views/conversations.ts'
import { userSummaryView } from '../../views/users.ts'
import type { RouteOptions } from '../options.ts'
import { PageQuery, readPageQuery } from '../page-query.ts'
import { callerOf } from '../plugins/caller.ts'

/** The list of conversations, and the lookup of a private one. */
export const conversationRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (
  app,
  { conversations, dialect },
) => {
  app.get(
    '/conversations',
    {
      schema: {
        tags: ['Conversations'],
        operationId: 'listConversations',
        summary: 'List the conversations of the caller, newest first',
        querystring: PageQuery,
        response: { 200: ConversationPage, ...failures(400, 401, 422, 429) },
      },
    },
    async (request) => {
      const page = await conversations.listOf(callerOf(request).userId, readPageQuery(request.query))
      return {
        ...dialect.page(page, (conversation) => listedConversationView(dialect, conversation)),
        users: page.users.map(userSummaryView),
      }
    },
  )

  app.get(
    '/conversations/:id/keys',
    {
      schema: {
        tags: ['Conversations'],
        operationId: 'getConversationKeys',
        summary: 'Get the public keys of the members of a conversation',
        params: Type.Object({ id: Type.String() }),
        response: { 200: ConversationKeys, ...failures(401, 403, 429) },
      },
    },
    async (request) => {
      const details = await conversations.open(request.params.id, callerOf(request).userId)
      return conversationKeysView(dialect, details)
    },
  )

  app.get(
    '/conversations/private/:user_id',
    {
      schema: {
        tags: ['Conversations'],
        operationId: 'findPrivateConversation',
        summary: 'Find the private conversation with another user',
        params: Type.Object({
          user_id: Type.String({
            description: 'The id of the other user. Any other text finds no conversation.',
          }),
        }),
        response: {
          200: PrivateConversation,
          ...failures(401, 429),
        },
      },
    },
    async (request) => ({
      conversation_id: await conversations.findPrivate(callerOf(request).userId, request.params.user_id),
    }),
  )
}
