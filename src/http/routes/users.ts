import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Text } from '../../schemas/fields.ts'
import { failures } from '../../schemas/responses.ts'
import { UserPage } from '../../schemas/users.ts'
import { userSummaryView } from '../../views/users.ts'
import type { RouteOptions } from '../options.ts'
import { PageQuery, readPageQuery } from '../page-query.ts'
import { callerOf } from '../plugins/caller.ts'

const UsersQuery = Type.Object({
  ...PageQuery.properties,
  search: Type.Optional(
    Text({
      maxLength: 200,
      description:
        'A part of an email or display name, case-insensitive. A text with fewer than three characters, or without two adjacent letters or digits, matches only at the beginning.',
    }),
  ),
})

/** The directory of users. */
export const userRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (
  app,
  { directory, dialect, limits },
) => {
  app.get(
    '/users',
    {
      schema: {
        tags: ['Users'],
        operationId: 'listUsers',
        summary:
          'List other users, newest first: all, or with `DIRECTORY=members` those who share a conversation or room with the caller',
        querystring: UsersQuery,
        response: { 200: UserPage, ...failures(400, 401, 422, 429) },
      },
    },
    async (request) => {
      const { search } = request.query
      if (search) await limits.searches(request)
      const page = await directory.list(callerOf(request).userId, {
        ...readPageQuery(request.query),
        ...(search && { search }),
      })
      return dialect.namedPage('users', page, userSummaryView)
    },
  )
}
