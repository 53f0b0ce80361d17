import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Text } from '../../validation.ts'
import { profileView } from '../../views/users.ts'
import type { RouteOptions } from '../options.ts'
import { callerOf } from '../plugins/authenticate.ts'
import { failures, List, NoContent, Profile } from '../schemas.ts'

const Secret = Type.String()
const Recents = List(Text({ maxLength: 2_048 }), {
  maxItems: 100,
  description: 'Pages viewed lately, in the words of the client.',
})

const tags = ['Account']
const done = { 204: NoContent, ...failures(401, 422, 429) }

/** The caller's own account. */
export const accountRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (
  app,
  { accounts, sessions, limits },
) => {
  app.post(
    '/signout_all',
    { schema: { tags, summary: 'End every session of the user', response: done } },
    async (request, reply) => {
      await sessions.revokeAll(callerOf(request).userId)
      reply.code(204)
    },
  )

  app.post(
    '/token/email_confirm',
    {
      schema: { tags, summary: 'Ask for a letter to confirm the email address', response: done },
      preHandler: limits.letters.email_confirmation,
    },
    async (request, reply) => {
      await accounts.requestEmailConfirmation(callerOf(request).userId)
      reply.code(204)
    },
  )

  app.post(
    '/token/email_change',
    {
      schema: { tags, summary: 'Ask for a letter to change the email address', response: done },
      preHandler: limits.letters.email_change,
    },
    async (request, reply) => {
      await accounts.requestEmailChange(callerOf(request).userId)
      reply.code(204)
    },
  )

  app.patch(
    '/password',
    {
      schema: {
        tags,
        summary: 'Change the password; ends every session',
        body: Type.Object({
          password: Secret,
          new_password: Secret,
          new_password_confirmation: Secret,
        }),
        response: done,
      },
    },
    async (request, reply) => {
      const { password, new_password, new_password_confirmation } = request.body
      await accounts.changePassword(callerOf(request).userId, {
        password,
        newPassword: new_password,
        newPasswordConfirmation: new_password_confirmation,
      })
      reply.code(204)
    },
  )

  app.patch(
    '/email',
    {
      schema: {
        tags,
        summary: 'Change the email address with the token of a letter; ends every session',
        body: Type.Object({ token: Secret, email: Text({ maxLength: 160 }), password: Secret }),
        response: { ...done, ...failures(400, 401, 422, 429) },
      },
    },
    async (request, reply) => {
      await accounts.changeEmail(callerOf(request).userId, request.body)
      reply.code(204)
    },
  )

  app.patch(
    '/profile',
    {
      schema: {
        tags,
        summary: 'Change some of the settings',
        body: Type.Object({
          hidden: Type.Optional(Type.Boolean()),
          theme: Type.Optional(Type.Enum(['day', 'night', 'auto'])),
          magnification: Type.Optional(
            Type.Number({ minimum: 0.7, maximum: 1.4, description: 'In tenths.' }),
          ),
          recents: Type.Optional(Recents),
        }),
        response: { 200: Profile, ...failures(401, 422, 429) },
      },
    },
    async (request) => profileView(await accounts.updateProfile(callerOf(request).userId, request.body)),
  )

  app.post(
    '/recents',
    {
      schema: {
        tags,
        summary: 'Replace the pages viewed lately',
        body: Type.Object({ recents: Recents }),
        response: { 200: Profile, ...failures(401, 422, 429) },
      },
    },
    async (request) => profileView(await accounts.setRecents(callerOf(request).userId, request.body.recents)),
  )
}
