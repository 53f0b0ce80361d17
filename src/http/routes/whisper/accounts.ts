import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { readEmail } from '../../../domain/accounts/account-rules.ts'
import { AppError } from '../../../errors.ts'
import { NullableText, Text } from '../../../schemas/fields.ts'
import { failures, HtmlPage, Notice } from '../../../schemas/responses.ts'
import { WhisperAccount, WhisperSignIn } from '../../../schemas/whisper.ts'
import { whisperAccountView, whisperSignInView } from '../../../views/whisper-accounts.ts'
import { jsonOrPage, varyByAccept, wantsHtml } from '../../content-negotiation.ts'
import { deviceOf } from '../../device.ts'
import type { WhisperOptions } from '../../options.ts'
import { sendPage } from '../../pages/layout.ts'
import { twoFactorPage, verifyEmailPage } from '../../pages/two-factor.ts'
import { bearerToken, hasBearer } from '../../plugins/authenticate.ts'
import { requireSameOrigin } from '../../plugins/same-origin.ts'
import { clearSession, readSession, replaceRefreshToken, storeEmail } from '../../plugins/session-cookie.ts'

const PREFIX = '/api/v1/user'
const EMAIL_SENT = 'Check your email for a verification link.'
const SET_UP_NEXT = 'Proceed to 2FA setup.'

const Email = Text({ maxLength: 160 })
const TokenParams = Type.Object({ token: Type.String() })

const tags = ['Whisper authentication']

/** Passwordless accounts: registration, email verification, the start of a sign-in, and token refresh. */
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
        summary: 'Create an account and send a verification email',
        body: Type.Object({
          email: Email,
          username: Type.Optional(
            Type.Union([Text(), Type.Null()], { description: '3 to 120 characters. Generated if absent.' }),
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
          'Send a verification email if the account exists. The response does not reveal whether it does',
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
        summary: 'Get the page that the link in the email opens. Its button verifies the address',
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
        summary: 'Verify the address with a token from an email, and store it in the session cookie',
        params: TokenParams,
        response: {
          200: jsonOrPage(WhisperAccount, 'The account with this address.'),
          ...failures(400, 403, 429),
        },
      },
      onRequest: limits.requests,
    },
    async (request, reply) => {
      requireSameOrigin(request, config.publicUrl)
      const { account, isFirst } = await passwordless.verify(request.params.token)
      if (isFirst) securityLog.record('email_verified', { userId: account.id, ...deviceOf(request) })
      storeEmail(request, account.email, 'verified')
      if (wantsHtml(request)) return sendPage(reply, twoFactorPage(), config.publicUrl)
      return whisperAccountView(account, SET_UP_NEXT)
    },
  )

  app.post(
    `${PREFIX}/login`,
    {
      schema: {
        tags,
        operationId: 'beginWhisperLogin',
        summary: 'Begin a sign-in with an email address. Redirects to the code form for any address',
        body: Type.Object({ email: Email }),
        response: {
          302: Type.Null({ description: 'Redirects to the code form.' }),
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
        summary: 'Exchange a refresh token from the body, the bearer header or the cookie for new tokens',
        body: Type.Object({
          refresh: Type.Optional(NullableText('Defaults to the bearer token, then to the cookie.')),
        }),
        response: { 200: WhisperSignIn, ...failures(401, 403, 422, 429) },
      },
    },
    async (request) => {
      const token = refreshTokenOf(request, config.publicUrl)
      const found = token === undefined ? undefined : await sessions.find(token)
      await limits.refreshes(request, found?.sessionId)
      if (token === undefined) throw new AppError('token_missing')
      const isFromCookie = token === readSession(request).refreshToken
      const exchange = async () => {
        if (!found) throw new AppError('invalid_token')
        return sessions.refresh(token, deviceOf(request), found)
      }
      const session = await exchange().catch((error) => {
        if (isFromCookie) clearSession(request)
        throw asSessionExpired(error)
      })
      if (isFromCookie) replaceRefreshToken(request, session.refreshToken)
      return whisperSignInView(await accounts.find(session.userId), session)
    },
  )
}

/** The refresh token of a request: from the body, the bearer header or the cookie, in this order. @throws AppError `cross_origin`. */
function refreshTokenOf(request: FastifyRequest, publicUrl: string): string | undefined {
  const { refresh } = request.body as { refresh?: string | null }
  if (typeof refresh === 'string') return refresh
  if (hasBearer(request)) return bearerToken(request)
  const { refreshToken } = readSession(request)
  if (refreshToken !== undefined) requireSameOrigin(request, publicUrl)
  return refreshToken
}

/** Converts `invalid_token` to `session_expired`, which Whisper's clients expect for an invalid refresh token. */
function asSessionExpired(error: unknown): unknown {
  const isInvalid = error instanceof AppError && error.code === 'invalid_token'
  return isInvalid ? new AppError('session_expired', { cause: error }) : error
}
