import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { AppError } from '../../../errors.ts'
import { failures } from '../../../schemas/responses.ts'
import { TotpSetupProblem, WhisperAccount } from '../../../schemas/whisper.ts'
import { whisperAccountView } from '../../../views/whisper-accounts.ts'
import { jsonOrPage, varyByAccept, wantsHtml } from '../../content-negotiation.ts'
import { deviceOf } from '../../device.ts'
import type { WhisperOptions } from '../../options.ts'
import { sendPage } from '../../pages/layout.ts'
import { twoFactorPage } from '../../pages/two-factor.ts'
import { errorBody } from '../../plugins/errors.ts'
import { readSession, storeEmail, storeSocialAttempt } from '../../plugins/session-cookie.ts'

const PREFIX = '/api/v1/user'
const SET_UP_NEXT = 'Proceed to 2FA setup.'

const Backend = Type.Object({ backend: Type.String({ description: 'google-oauth2' }) })

/** The query parameters of the redirect from the provider. */
const CallbackQuery = Type.Object({
  state: Type.Optional(Type.String()),
  code: Type.Optional(Type.String()),
  error: Type.Optional(Type.String()),
  iss: Type.Optional(Type.String()),
})

const tags = ['Whisper authentication']

/** The path of the redirect URI to register with the provider. */
export function socialCallbackPath(backend: string): string {
  return `${PREFIX}/social/complete/${backend}/`
}

/** Sign-in with an identity provider. API clients get JSON; browsers, which arrive by redirect, get pages. */
export const socialRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (
  app,
  { socialLogin, securityLog, limits, config },
) => {
  varyByAccept(app)

  const begin = {
    schema: {
      tags,
      operationId: 'beginSocialLogin',
      summary: 'Begin a sign-in with an identity provider',
      params: Backend,
      response: { 302: Type.Null({ description: 'Redirects to the provider.' }), ...failures(404, 429) },
    },
    onRequest: limits.requests,
    async handler(request: FastifyRequest<{ Params: Static<typeof Backend> }>, reply: FastifyReply) {
      const { url, attempt } = await socialLogin.begin(request.params.backend)
      storeSocialAttempt(request, attempt)
      return reply.redirect(url.href)
    },
  }
  app.get(`${PREFIX}/social/begin/:backend`, begin)
  app.get(`${PREFIX}/social/begin/:backend/:extra`, { ...begin, schema: { ...begin.schema, hide: true } })

  app.get(
    `${PREFIX}/social/complete/:backend`,
    {
      schema: {
        tags,
        operationId: 'completeSocialLogin',
        summary: 'Complete a sign-in: the redirect URI of the provider',
        params: Backend,
        querystring: CallbackQuery,
        response: {
          302: Type.Null({ description: 'Redirects to the form for the authenticator code.' }),
          ...failures(400, 403, 404, 409, 422, 429),
          201: jsonOrPage(
            WhisperAccount,
            'An account was created. The user has to set up an authenticator app next.',
          ),
          401: jsonOrPage(
            TotpSetupProblem,
            'The account has no authenticator app, and has to set one up first.',
          ),
        },
      },
      onRequest: limits.requests,
      // The request consumes the attempt in the cookie, which a HEAD request must not do.
      exposeHeadRoute: false,
    },
    async (request, reply) => {
      const { social } = readSession(request)
      const device = deviceOf(request)
      const { backend } = request.params
      const { account, outcome, changes } = await socialLogin.complete(backend, request.query, social, device)
      for (const change of changes) securityLog.record(change, { userId: account.id, ...device })
      storeEmail(request, account.email, outcome === 'needs_code' ? 'unverified' : 'verified')
      if (outcome === 'needs_code') return reply.redirect(`${PREFIX}/totp/verify/`)
      reply.code(outcome === 'created' ? 201 : 401)
      if (wantsHtml(request)) return sendPage(reply, twoFactorPage(), config.publicUrl)
      return outcome === 'created' ? whisperAccountView(account, SET_UP_NEXT) : setUpFirst()
    },
  )
}

/** The error body of the API, with the message also at the top level, where Whisper's clients read it. */
function setUpFirst() {
  const failure = new AppError('totp_setup_required')
  return { ...errorBody(failure), message: failure.message }
}
