import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { KeyHistory, KeyQuery, KeySet, NewKeySet, QueriedKeysList } from '../../schemas/account-keys.ts'
import { failures, NotModified } from '../../schemas/responses.ts'
import { keySetView, queriedKeysView } from '../../views/account-keys.ts'
import { deviceOf } from '../device.ts'
import type { RouteOptions } from '../options.ts'
import { callerOf } from '../plugins/caller.ts'
import { isNotModified, requiredCondition, sendVersion } from '../preconditions.ts'

const tags = ['Keys']

/** The key sets of accounts. */
export const accountKeyRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (
  app,
  { accountKeys, dialect, limits },
) => {
  app.get(
    '/keys',
    {
      schema: {
        tags,
        operationId: 'getKeySet',
        summary: 'Get the key set of the caller, with the locked private keys',
        response: { 200: KeySet, 304: NotModified, ...failures(400, 401, 404, 412, 429) },
      },
    },
    async (request, reply) => {
      const set = await accountKeys.find(callerOf(request).userId)
      if (isNotModified(request, reply, set.version)) return reply.code(304).send(null)
      return keySetView(dialect, set)
    },
  )

  app.put(
    '/keys',
    {
      schema: {
        tags,
        operationId: 'putKeySet',
        summary: 'Store the first or the next version of the key set of the caller',
        body: NewKeySet,
        response: { 200: KeySet, ...failures(400, 401, 403, 412, 422, 428, 429) },
      },
      preHandler: limits.keyChanges,
    },
    async (request, reply) => {
      const { encryption_key: encryptionKey, signing_key: signingKey, locked, entry } = request.body
      const { userId, sessionId } = callerOf(request)
      const owner = { userId, sessionId, ...deviceOf(request) }
      const newSet = { encryptionKey, signingKey, locked, entry }
      const set = await accountKeys.put(owner, newSet, requiredCondition(request))
      sendVersion(reply, set.version)
      return keySetView(dialect, set)
    },
  )

  app.post(
    '/keys/query',
    {
      schema: {
        tags,
        operationId: 'queryKeys',
        summary: 'Get the public keys of users, and with `known_versions` what is new in their histories',
        body: KeyQuery,
        response: { 200: QueriedKeysList, ...failures(401, 422, 429) },
      },
      preHandler: limits.keyQueries,
    },
    async (request) => {
      const { user_ids: userIds, known_versions: knownVersions } = request.body
      const found = await accountKeys.query(callerOf(request).userId, userIds, knownVersions)
      return { items: found.map(queriedKeysView) }
    },
  )

  app.get(
    '/keys/:user_id/history',
    {
      schema: {
        tags,
        operationId: 'listKeyHistory',
        summary: 'List entries of the key history of a user, oldest first',
        params: Type.Object({ user_id: Type.String() }),
        querystring: Type.Object({
          after_version: Type.Optional(
            Type.String({ pattern: '^[0-9]{1,9}$', description: 'Lists the entries after this version.' }),
          ),
        }),
        response: { 200: KeyHistory, ...failures(401, 404, 422, 429) },
      },
    },
    async (request) => {
      const { after_version: after = '0' } = request.query
      const { user_id: userId } = request.params
      return { items: await accountKeys.history(callerOf(request).userId, userId, Number(after)) }
    },
  )
}
