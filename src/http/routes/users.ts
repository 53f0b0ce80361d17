import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Text } from '../../validation.ts'
import { userSummaryView } from '../../views/users.ts'
import type { RouteOptions } from '../options.ts'
import { PageQuery, readPageQuery } from '../page-query.ts'
import { callerOf } from '../plugins/authenticate.ts'
import { failures, pageSchema, UserSummary } from '../schemas.ts'

const UsersQuery = Type.Object({
  ...PageQuery.properties,
  search: Type.Optional(
    Text({ maxLength: 200, description: 'Part of an email address or display name, in any case.' }),
  ),
})

/** The directory of users. */
export const userRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (
  app,
  { accounts, dialect, contract },
) => {
  app.get(
    '/users',
    {
      schema: {
        tags: ['Users'],
        summary: 'Everyone but the caller, newest first',
        querystring: UsersQuery,
        response: { 200: pageSchema(contract, 'users', UserSummary), ...failures(400, 401, 422, 429) },
      },
    },
    async (request) => {
      const { search } = request.query
      const page = await accounts.list(callerOf(request).userId, {
        ...readPageQuery(request.query),
        ...(search && { search }),
      })
      return dialect.namedPage('users', page, userSummaryView)
    },
  )
}
