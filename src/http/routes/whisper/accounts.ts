import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { readEmail } from '../../../domain/account-rules.ts'
import { AppError } from '../../../errors.ts'
import { Text } from '../../../validation.ts'
import { whisperAccountView, whisperSignInView } from '../../../views/whisper-accounts.ts'
import { deviceOf } from '../../device.ts'
import type { WhisperOptions } from '../../options.ts'
import { sendPage } from '../../pages/layout.ts'
import { twoFactorPage, verifyEmailPage } from '../../pages/two-factor.ts'
import { bearerToken } from '../../plugins/authenticate.ts'
import {
  forgetSignIn,
  hasBearer,
  rememberEmail,
  renewSignIn,
  requireSameOrigin,
  whisperSession,
} from '../../plugins/session.ts'
import { failures, NullableText } from '../../schemas.ts'
import { answerReaders, eitherWay, isForReader } from './readers.ts'
import { HtmlPage, WhisperAccount, WhisperSignIn } from './schemas.ts'

const PREFIX = '/api/v1/user'
const LETTER_SENT = 'Check your email for a verification link.'
const SET_UP_NEXT = 'Proceed to 2FA setup.'

const Email = Text({ maxLength: 160 })
const TokenParams = Type.Object({ token: Type.String() })

const tags = ['Signing in to Whisper']

/** Accounts without a password, from the first letter to the refreshing of tokens. */
export const whisperAccountRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (
  app,
  { passwordless, accounts, sessions, limits, config },
) => {
  answerReaders(app, config.publicUrl)

  app.post(
    `${PREFIX}/register`,
    {
      schema: {
        tags,
        summary: 'Create an account, whose address is then proved by a letter',
        body: Type.Object({
          email: Email,
          username: Type.Optional(
            Type.Union([Text(), Type.Null()], { description: '3 to 120 characters; made up if absent.' }),
          ),
        }),
        response: { 201: WhisperAccount, ...failures(422, 429) },
      },
      onRequest: limits.registrations,
    },
    async ({ body: { email, username } }, reply) => {
      const registration = { email, ...(typeof username === 'string' && { username }) }
      reply.code(201)
      return whisperAccountView(await passwordless.register(registration), LETTER_SENT)
    },
  )

  app.post(
    `${PREFIX}/verify-email/begin`,
    {
      schema: {
        tags,
        summary:
          'Ask for a letter that proves the address; the answer is the same whether the account exists',
        body: Type.Object({ email: Email }),
        response: {
          200: Type.Object({ message: Type.String() }, { description: 'What to do next.' }),
          ...failures(422, 429),
        },
      },
      preHandler: limits.letters.email_verification,
    },
    async ({ body }) => {
      await passwordless.requestProof(body.email)
      return { message: LETTER_SENT }
    },
  )

  app.get(
    `${PREFIX}/verify-email/complete/:token`,
    {
      schema: {
        tags,
        summary: 'The page a letter leads to: it proves nothing by itself, its button does',
        params: TokenParams,
        response: { 200: HtmlPage, ...failures(429) },
      },
      onRequest: limits.requests,
    },
    async ({ params }, reply) => sendPage(reply, verifyEmailPage(params.token), config.publicUrl),
  )

  app.post(
    `${PREFIX}/verify-email/complete/:token`,
    {
      schema: {
        tags,
        summary: 'Prove the address with the token of a letter, and go on in this browser',
        params: TokenParams,
        response: {
          200: eitherWay(WhisperAccount, 'The account whose address it is.'),
          ...failures(400, 403, 429),
        },
      },
      onRequest: limits.requests,
    },
    async (request, reply) => {
      requireSameOrigin(request)
      const proved = await passwordless.prove(request.params.token)
      rememberEmail(request, proved.email, 'proved')
      if (isForReader(request)) return sendPage(reply, twoFactorPage(), config.publicUrl)
      return whisperAccountView(proved, SET_UP_NEXT)
    },
  )

  app.post(
    `${PREFIX}/login`,
    {
      schema: {
        tags,
        summary: 'Begin to sign in with an address; leads to where the code is asked for, whoever it is',
        body: Type.Object({ email: Email }),
        response: {
          302: Type.Null({ description: 'To where the code is asked for.' }),
          ...failures(403, 422, 429),
        },
      },
      onRequest: limits.loginsFromAddress,
      preHandler: limits.loginsToAccount,
    },
    async (request, reply) => {
      requireSameOrigin(request)
      rememberEmail(request, readEmail(request.body.email), 'claimed')
      return reply.redirect(`${PREFIX}/totp/verify/`)
    },
  )

  app.post(
    `${PREFIX}/refresh`,
    {
      schema: {
        tags,
        summary: 'Exchange a refresh token, from the body, the bearer or the cookie, for new tokens',
        body: Type.Object({ refresh: Type.Optional(NullableText('The cookie counts if nothing is given.')) }),
        response: { 200: WhisperSignIn, ...failures(401, 403, 422, 429) },
      },
      preHandler: limits.refreshes(refreshTokenOf),
    },
    async (request) => {
      const token = refreshTokenOf(request)
      if (token === undefined) throw new AppError('token_missing')
      const isOfCookie = token === whisperSession(request).refreshToken
      const session = await sessions.refresh(token, deviceOf(request)).catch((error) => {
        if (isOfCookie) forgetSignIn(request)
        throw expired(error)
      })
      if (isOfCookie) renewSignIn(request, session.refreshToken)
      return whisperSignInView(await accounts.find(session.userId), session)
    },
  )
}

/** What is named beats the cookie, which only a page of this site may use. */
function refreshTokenOf(request: FastifyRequest): string | undefined {
  const { refresh } = request.body as { refresh?: string | null }
  if (typeof refresh === 'string') return refresh
  if (hasBearer(request)) return bearerToken(request)
  const { refreshToken } = whisperSession(request)
  if (refreshToken !== undefined) requireSameOrigin(request)
  return refreshToken
}

/** Whisper's clients know a refresh token that is not good (any more) as a session that is over. */
function expired(cause: unknown): unknown {
  const isBad = cause instanceof AppError && cause.code === 'invalid_token'
  return isBad ? new AppError('session_expired', { cause }) : cause
}
