import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { AppError } from '../../../errors.ts'
import { whisperAccountView } from '../../../views/whisper-accounts.ts'
import type { WhisperOptions } from '../../options.ts'
import { sendPage } from '../../pages/layout.ts'
import { twoFactorPage } from '../../pages/two-factor.ts'
import { errorBody } from '../../plugins/errors.ts'
import { rememberEmail, rememberSocial, whisperSession } from '../../plugins/session.ts'
import { Failure, failures } from '../../schemas.ts'
import { answerReaders, eitherWay, isForReader } from './readers.ts'
import { WhisperAccount } from './schemas.ts'

const PREFIX = '/api/v1/user'
const SET_UP_NEXT = 'Proceed to 2FA setup.'

const Backend = Type.Object({ backend: Type.String({ description: 'google-oauth2' }) })

/** What the provider has the browser bring along. */
const Answer = Type.Object({
  state: Type.Optional(Type.String()),
  code: Type.Optional(Type.String()),
  error: Type.Optional(Type.String()),
  iss: Type.Optional(Type.String()),
})

const SetUpFirst = Type.Object({ ...Failure.properties, message: Type.String() })

const tags = ['Signing in to Whisper']

/** Where a provider sends browsers back to, as it must be told. */
export function socialCallbackPath(backend: string): string {
  return `${PREFIX}/social/complete/${backend}/`
}

/** Signing in with an account at another site. Programs get JSON; browsers, which come here by themselves, get pages. */
export const socialRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (
  app,
  { socialLogin, limits, config },
) => {
  answerReaders(app, config.publicUrl)

  const begin = {
    schema: {
      tags,
      summary: 'Sign in with an account at another site: leads there',
      params: Backend,
      response: { 302: Type.Null({ description: 'To the provider.' }), ...failures(404, 429) },
    },
    onRequest: limits.requests,
    async handler(request: FastifyRequest<{ Params: Static<typeof Backend> }>, reply: FastifyReply) {
      const { url, attempt } = await socialLogin.begin(request.params.backend)
      rememberSocial(request, attempt)
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
        summary: 'Where the other site leads back to',
        params: Backend,
        querystring: Answer,
        response: {
          302: Type.Null({ description: 'To where the code of the authenticator app is asked for.' }),
          ...failures(400, 403, 404, 409, 422, 429),
          201: eitherWay(
            WhisperAccount,
            'Someone new has an account now, and has to set up an authenticator app.',
          ),
          401: eitherWay(SetUpFirst, 'Someone known has to set up an authenticator app first.'),
        },
      },
      onRequest: limits.requests,
      // It uses up what the browser has: whoever only looks must not.
      exposeHeadRoute: false,
    },
    async (request, reply) => {
      const { social } = whisperSession(request)
      const { account, outcome } = await socialLogin.complete(request.params.backend, request.query, social)
      rememberEmail(request, account.email, outcome === 'needs_code' ? 'claimed' : 'proved')
      if (outcome === 'needs_code') return reply.redirect(`${PREFIX}/totp/verify/`)
      reply.code(outcome === 'created' ? 201 : 401)
      if (isForReader(request)) return sendPage(reply, twoFactorPage(), config.publicUrl)
      return outcome === 'created' ? whisperAccountView(account, SET_UP_NEXT) : setUpFirst()
    },
  )
}

/** What the rest of the API would answer, and the message that Whisper's clients look for. */
function setUpFirst() {
  const failure = new AppError('totp_setup_required')
  return { ...errorBody(failure), message: failure.message }
}
