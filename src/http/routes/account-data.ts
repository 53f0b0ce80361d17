import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import {
  AccountData,
  AccountDataList,
  AccountDataSummary,
  NewAccountData,
} from '../../schemas/account-keys.ts'
import { failures, NoContent, NotModified } from '../../schemas/responses.ts'
import { dataSummaryView, dataView } from '../../views/account-keys.ts'
import type { RouteOptions } from '../options.ts'
import { callerOf } from '../plugins/caller.ts'
import { isNotModified, requiredCondition, sendVersion } from '../preconditions.ts'

const tags = ['Account']
const Name = Type.Object({
  name: Type.String({ description: 'Matches `[a-z0-9][a-z0-9._-]{0,63}`.' }),
})

/** Data that clients store for their user. */
export const accountDataRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (
  app,
  { accountData, dialect, limits },
) => {
  app.get(
    '/account/data',
    {
      schema: {
        tags,
        operationId: 'listAccountData',
        summary: 'List the data of the account, without its content',
        response: { 200: AccountDataList, ...failures(401, 429) },
      },
    },
    async (request) => {
      const all = await accountData.list(callerOf(request).userId)
      return { items: all.map((summary) => dataSummaryView(dialect, summary)) }
    },
  )

  app.get(
    '/account/data/:name',
    {
      schema: {
        tags,
        operationId: 'getAccountData',
        summary: 'Get the data under a name',
        params: Name,
        response: { 200: AccountData, 304: NotModified, ...failures(400, 401, 404, 412, 429) },
      },
    },
    async (request, reply) => {
      const found = await accountData.find(callerOf(request).userId, request.params.name)
      if (isNotModified(request, reply, found.version)) return reply.code(304).send(null)
      return dataView(dialect, found)
    },
  )

  app.put(
    '/account/data/:name',
    {
      schema: {
        tags,
        operationId: 'putAccountData',
        summary: 'Store data under a name',
        params: Name,
        body: NewAccountData,
        response: { 200: AccountDataSummary, ...failures(400, 401, 412, 422, 428, 429) },
      },
      preHandler: limits.accountData,
    },
    async (request, reply) => {
      const what = { name: request.params.name, data: request.body.data }
      const stored = await accountData.put(callerOf(request).userId, what, requiredCondition(request))
      sendVersion(reply, stored.version)
      return dataSummaryView(dialect, stored)
    },
  )

  app.delete(
    '/account/data/:name',
    {
      schema: {
        tags,
        operationId: 'deleteAccountData',
        summary: 'Delete the data under a name',
        params: Name,
        response: { 204: NoContent, ...failures(400, 401, 404, 412, 428, 429) },
      },
    },
    async (request, reply) => {
      const condition = requiredCondition(request)
      await accountData.delete(callerOf(request).userId, request.params.name, condition)
      reply.code(204)
    },
  )
}
