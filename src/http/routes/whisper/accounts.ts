import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { readEmail } from '../../../domain/accounts/account-rules.ts'
import { AppError } from '../../../errors.ts'
import { Text } from '../../../input/validation.ts'
import { whisperAccountView, whisperSignInView } from '../../../views/whisper-accounts.ts'
import { jsonOrPage, varyByAccept, wantsHtml } from '../../content-negotiation.ts'
import { deviceOf } from '../../device.ts'
import type { WhisperOptions } from '../../options.ts'
import { sendPage } from '../../pages/layout.ts'
import { twoFactorPage, verifyEmailPage } from '../../pages/two-factor.ts'
import { bearerToken, hasBearer } from '../../plugins/authenticate.ts'
import { requireSameOrigin } from '../../plugins/same-origin.ts'
import { clearSession, readSession, replaceRefreshToken, storeEmail } from '../../plugins/session-cookie.ts'
import { NullableText } from '../../schemas/fields.ts'
import { failures, HtmlPage, Notice } from '../../schemas/responses.ts'
import { WhisperAccount, WhisperSignIn } from '../../schemas/whisper.ts'

const PREFIX = '/api/v1/user'
const EMAIL_SENT = 'Check your email for a verification link.'
const SET_UP_NEXT = 'Proceed to 2FA setup.'

const Email = Text({ maxLength: 160 })
const TokenParams = Type.Object({ token: Type.String() })

const tags = ['Whisper authentication']

/** Accounts without a password, from the first email to the refreshing of tokens. */
export const whisperAccountRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (
  app,
  { passwordless, accounts, sessions, securityLog, limits, config },
) => {
  varyByAccept(app)

  app.post(
    `${PREFIX}/register`,
    {
      schema: {
        tags,
        operationId: 'registerWhisperAccount',
        summary: 'Create an account, whose address is then proved by an email',
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
    async (request, reply) => {
      const { email, username } = request.body
      const sendsEmail = await limits.allowsRegistrationEmail(request)
      const registration = { email, sendsEmail, ...(typeof username === 'string' && { username }) }
      const account = await passwordless.register(registration)
      securityLog.record('registered', { userId: account.id, ...deviceOf(request) })
      reply.code(201)
      return whisperAccountView(account, EMAIL_SENT)
    },
  )

  app.post(
    `${PREFIX}/verify-email/begin`,
    {
      schema: {
        tags,
        operationId: 'requestEmailVerification',
        summary:
          'Ask for an email that proves the address; the answer is the same whether the account exists',
        body: Type.Object({ email: Email }),
        response: {
          200: Notice,
          ...failures(422, 429),
        },
      },
      preHandler: limits.emails.email_verification,
    },
    async ({ body }) => {
      await passwordless.requestVerification(body.email)
      return { message: EMAIL_SENT }
    },
  )

  app.get(
    `${PREFIX}/verify-email/complete/:token`,
    {
      schema: {
        tags,
        operationId: 'showEmailVerification',
        summary: 'The page an email leads to: it proves nothing by itself, its button does',
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
        operationId: 'completeEmailVerification',
        summary: 'Prove the address with the token of an email, and go on in this browser',
        params: TokenParams,
        response: {
          200: jsonOrPage(WhisperAccount, 'The account whose address it is.'),
          ...failures(400, 403, 429),
        },
      },
      onRequest: limits.requests,
    },
    async (request, reply) => {
      requireSameOrigin(request, config.publicUrl)
      const { account: proved, isFirst } = await passwordless.verify(request.params.token)
      if (isFirst) securityLog.record('email_verified', { userId: proved.id, ...deviceOf(request) })
      storeEmail(request, proved.email, 'verified')
      if (wantsHtml(request)) return sendPage(reply, twoFactorPage(), config.publicUrl)
      return whisperAccountView(proved, SET_UP_NEXT)
    },
  )

  app.post(
    `${PREFIX}/login`,
    {
      schema: {
        tags,
        operationId: 'beginWhisperLogin',
        summary: 'Begin to sign in with an address; leads to where the code is asked for, whoever it is',
        body: Type.Object({ email: Email }),
        response: {
          302: Type.Null({ description: 'To where the code is asked for.' }),
          ...failures(403, 422, 429),
        },
      },
      onRequest: limits.loginsByNetwork,
      preHandler: limits.signInStarts,
    },
    async (request, reply) => {
      requireSameOrigin(request, config.publicUrl)
      storeEmail(request, readEmail(request.body.email), 'unverified')
      return reply.redirect(`${PREFIX}/totp/verify/`)
    },
  )

  app.post(
    `${PREFIX}/refresh`,
    {
      schema: {
        tags,
        operationId: 'refreshWhisperSession',
        summary: 'Exchange a refresh token, from the body, the bearer or the cookie, for new tokens',
        body: Type.Object({ refresh: Type.Optional(NullableText('The cookie counts if nothing is given.')) }),
        response: { 200: WhisperSignIn, ...failures(401, 403, 422, 429) },
      },
      preHandler: limits.refreshes((request) => refreshTokenOf(request, config.publicUrl)),
    },
    async (request) => {
      const token = refreshTokenOf(request, config.publicUrl)
      if (token === undefined) throw new AppError('token_missing')
      const isOfCookie = token === readSession(request).refreshToken
      const session = await sessions.refresh(token, deviceOf(request)).catch((error) => {
        if (isOfCookie) clearSession(request)
        throw expired(error)
      })
      if (isOfCookie) replaceRefreshToken(request, session.refreshToken)
      return whisperSignInView(await accounts.find(session.userId), session)
    },
  )
}

/** What is named beats the cookie, which only a page of this site may use. */
function refreshTokenOf(request: FastifyRequest, publicUrl: string): string | undefined {
  const { refresh } = request.body as { refresh?: string | null }
  if (typeof refresh === 'string') return refresh
  if (hasBearer(request)) return bearerToken(request)
  const { refreshToken } = readSession(request)
  if (refreshToken !== undefined) requireSameOrigin(request, publicUrl)
  return refreshToken
}

/** Whisper's clients know a refresh token that is not good (any more) as a session that is over. */
function expired(cause: unknown): unknown {
  const isBad = cause instanceof AppError && cause.code === 'invalid_token'
  return isBad ? new AppError('session_expired', { cause }) : cause
}
