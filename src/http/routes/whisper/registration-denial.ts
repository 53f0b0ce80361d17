import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { failures, HtmlPage, Notice } from '../../../schemas/responses.ts'
import { jsonOrPage, varyByAccept, wantsHtml } from '../../content-negotiation.ts'
import { deviceOf } from '../../device.ts'
import type { WhisperOptions } from '../../options.ts'
import { sendPage } from '../../pages/layout.ts'
import { denyRegistrationPage, registrationDeniedPage } from '../../pages/registration-denial.ts'
import { requireSameOrigin } from '../../plugins/same-origin.ts'

const PATH = '/api/v1/user/register/deny/:token'
const DENIED = 'The password was removed, and every session has ended.'

const params = Type.Object({ token: Type.String() })
const tags = ['Authentication']

/** Lets the owner of an address disable an account that someone else registered with it. */
export const registrationDenialRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (
  app,
  { accountEmails, securityLog, limits, config },
) => {
  varyByAccept(app)

  app.get(
    PATH,
    {
      schema: {
        tags,
        operationId: 'showRegistrationDenial',
        summary: 'Get the page on which the owner of an address can deny a registration',
        params,
        response: { 200: HtmlPage, ...failures(429) },
      },
      onRequest: limits.requests,
    },
    async (request, reply) => sendPage(reply, denyRegistrationPage(request.params.token), config.publicUrl),
  )

  app.post(
    PATH,
    {
      schema: {
        tags,
        operationId: 'denyRegistration',
        summary: 'Remove the password and end all sessions of an unconfirmed account',
        params,
        response: {
          200: jsonOrPage(Notice, 'The password was removed.'),
          ...failures(400, 403, 429),
        },
      },
      onRequest: limits.requests,
    },
    async (request, reply) => {
      requireSameOrigin(request, config.publicUrl)
      const userId = await accountEmails.denyRegistration(request.params.token)
      securityLog.record('registration_denied', { userId, ...deviceOf(request) })
      if (wantsHtml(request)) return sendPage(reply, registrationDeniedPage(), config.publicUrl)
      return { message: DENIED }
    },
  )
}
