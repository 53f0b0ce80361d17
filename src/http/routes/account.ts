import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AppError } from '../../errors.ts'
import { AccountEventPage } from '../../schemas/accounts.ts'
import { List, Text } from '../../schemas/fields.ts'
import { failures, NoContent } from '../../schemas/responses.ts'
import { Profile } from '../../schemas/users.ts'
import { activityView } from '../../views/activity.ts'
import { profileView } from '../../views/users.ts'
import { deviceOf } from '../device.ts'
import type { RouteOptions } from '../options.ts'
import { PageQuery, readPageQuery } from '../page-query.ts'
import { callerOf } from '../plugins/caller.ts'

const Secret = Type.String()
const Recents = List(Text({ maxLength: 2_048 }), {
  maxItems: 100,
  description: 'Recently viewed pages. The server does not interpret them.',
})

const tags = ['Account']
const done = { 204: NoContent, ...failures(401, 422, 429) }

/** The caller's own account. */
export const accountRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (
  app,
  { accounts, accountEmails, accountPasswords, sessions, securityLog, dialect, limits },
) => {
  const passwordChecks = limits.passwordChecks(async (request) => {
    const { email } = await accounts.find(callerOf(request).userId)
    return email
  })

  app.post(
    '/signout_all',
    {
      schema: {
        tags,
        operationId: 'signOutEverywhere',
        summary: 'End all sessions of the user',
        response: done,
      },
    },
    async (request, reply) => {
      await sessions.revokeAll(callerOf(request).userId, deviceOf(request))
      reply.code(204)
    },
  )

  app.get(
    '/account/activity',
    {
      schema: {
        tags,
        operationId: 'listAccountActivity',
        summary: 'List the security events of the account in the last 90 days, newest first',
        querystring: PageQuery,
        response: {
          200: AccountEventPage,
          ...failures(400, 401, 422, 429),
        },
      },
    },
    async (request) => {
      const activity = await securityLog.activityOf(callerOf(request).userId, readPageQuery(request.query))
      return dialect.page(activity, activityView)
    },
  )

  app.post(
    '/token/email_confirm',
    {
      schema: {
        tags,
        operationId: 'requestEmailConfirmation',
        summary: 'Send a confirmation email',
        response: done,
      },
      preHandler: limits.emails.email_confirmation,
    },
    async (request, reply) => {
      await accountEmails.requestConfirmation(callerOf(request).userId)
      reply.code(204)
    },
  )

  app.post(
    '/token/email_change',
    {
      schema: {
        tags,
        operationId: 'requestEmailChange',
        summary: 'Send an email with the token that changing the address requires',
        response: done,
      },
      preHandler: limits.emails.email_change,
    },
    async (request, reply) => {
      await accountEmails.requestChange(callerOf(request).userId)
      reply.code(204)
    },
  )

  app.patch(
    '/password',
    {
      schema: {
        tags,
        operationId: 'changePassword',
        summary: 'Change the password and end all sessions',
        body: Type.Object({
          password: Secret,
          new_password: Secret,
          new_password_confirmation: Secret,
        }),
        response: done,
      },
      preHandler: passwordChecks,
    },
    async (request, reply) => {
      const { password, new_password, new_password_confirmation } = request.body
      const { userId, sessionId } = callerOf(request)
      const change = {
        password,
        newPassword: new_password,
        newPasswordConfirmation: new_password_confirmation,
      }
      const device = deviceOf(request)
      await notingWrongPassword(request, accountPasswords.change(userId, change, device))
      securityLog.record('password_changed', { userId, sessionId, ...device })
      reply.code(204)
    },
  )

  app.patch(
    '/email',
    {
      schema: {
        tags,
        operationId: 'changeEmail',
        summary: 'Change the email address with a token from an email, and end all sessions',
        body: Type.Object({ token: Secret, email: Text({ maxLength: 160 }), password: Secret }),
        response: { ...done, ...failures(400, 401, 422, 429) },
      },
      preHandler: passwordChecks,
    },
    async (request, reply) => {
      const { userId, sessionId } = callerOf(request)
      const device = deviceOf(request)
      await notingWrongPassword(request, accountEmails.change(userId, request.body, device))
      securityLog.record('email_changed', { userId, sessionId, ...device })
      reply.code(204)
    },
  )

  app.patch(
    '/profile',
    {
      schema: {
        tags,
        operationId: 'updateProfile',
        summary: 'Update settings',
        body: Type.Object({
          hidden: Type.Optional(Type.Boolean()),
          theme: Type.Optional(Type.Enum(['day', 'night', 'auto'])),
          magnification: Type.Optional(
            Type.Number({ minimum: 0.7, maximum: 1.4, description: 'With one decimal.' }),
          ),
          recents: Type.Optional(Recents),
          who_can_add: Type.Optional(Type.Enum(['everyone', 'contacts', 'nobody'])),
        }),
        response: { 200: Profile, ...failures(401, 422, 429) },
      },
    },
    async (request) => {
      const { who_can_add: whoCanAdd, ...settings } = request.body
      const changes = { ...settings, ...(whoCanAdd && { whoCanAdd }) }
      return profileView(await accounts.updateProfile(callerOf(request).userId, changes))
    },
  )

  app.post(
    '/recents',
    {
      schema: {
        tags,
        operationId: 'replaceRecents',
        summary: 'Replace the recently viewed pages',
        body: Type.Object({ recents: Recents }),
        response: { 200: Profile, ...failures(401, 422, 429) },
      },
    },
    async (request) => profileView(await accounts.setRecents(callerOf(request).userId, request.body.recents)),
  )

  /** Records a wrong current password as a failed sign-in. */
  async function notingWrongPassword(request: FastifyRequest, change: Promise<void>): Promise<void> {
    try {
      await change
    } catch (error) {
      if (error instanceof AppError && error.fields?.currentPassword) {
        const { userId, sessionId } = callerOf(request)
        const reason = 'current_password'
        securityLog.record('sign_in_failed', { userId, sessionId, ...deviceOf(request), reason })
      }
      throw error
    }
  }
}
