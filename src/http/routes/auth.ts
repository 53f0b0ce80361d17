import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { AppError } from '../../errors.ts'
import { PasswordResetOwner, RefreshedSession, SignIn } from '../../schemas/accounts.ts'
import { Text } from '../../schemas/fields.ts'
import { failures, NoContent } from '../../schemas/responses.ts'
import { signInView, tokensView } from '../../views/sign-in.ts'
import { userSummaryView } from '../../views/users.ts'
import { deviceOf } from '../device.ts'
import type { RouteOptions } from '../options.ts'

const Email = Text({ maxLength: 160 })
/** A password or token. It is never stored as sent, so it needs no check here: the domain validates it. */
const Secret = Type.String()

const Registration = Type.Object({
  email: Email,
  password: Secret,
  display_name: Type.Optional(
    Type.Union([Text(), Type.Null()], { description: '3 to 20 characters. Defaults to the email address.' }),
  ),
  displayName: Type.Optional(
    Type.Union([Text(), Type.Null()], { description: 'An alias of `display_name`.' }),
  ),
})

const TokenBody = Type.Object({ token: Secret })

const tags = ['Authentication']

/** The validated body of the reset route, for its hooks: Fastify types the body only in the handler. */
interface ResetBody {
  token: string
  password?: string | null
}

/** Registration, login, refresh and the links in emails: the routes that need no access token. */
export const authRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (
  app,
  { accounts, accountEmails, accountPasswords, sessions, signIn, securityLog, deviceCookie, dialect, limits },
) => {
  const resetPasswordChecks = limits.passwordChecks(async ({ body }) => {
    const { email } = await accountPasswords.userOfReset((body as ResetBody).token)
    return email
  })

  app.post(
    '/auth/register',
    {
      schema: {
        tags,
        operationId: 'register',
        summary: 'Create an account and sign in',
        body: Registration,
        response: { 200: SignIn, ...failures(422, 429) },
      },
      onRequest: limits.registrations,
    },
    async (request) => {
      const { email, password, display_name, displayName } = request.body
      const name = display_name ?? displayName ?? undefined
      const device = deviceOf(request)
      const sendsEmail = await limits.allowsRegistrationEmail(request)
      const registration = {
        email,
        password,
        sendsEmail,
        ...(name !== undefined && { displayName: name }),
      }
      const userId = await accounts.register(registration, device)
      securityLog.record('registered', { userId, ...device })
      const [session, details] = await Promise.all([
        sessions.open(userId, device),
        accounts.signInDetails(userId),
      ])
      return signInView(dialect, details, session)
    },
  )

  app.post(
    '/auth/login',
    {
      schema: {
        tags,
        operationId: 'login',
        summary: 'Sign in with a password',
        body: Type.Object({
          email: Email,
          password: Secret,
          otp_token: Type.Optional(
            Type.Union([Secret, Type.Null()], {
              description:
                'A code of the authenticator app, or a recovery code. Required if the account has an authenticator app.',
            }),
          ),
        }),
        response: { 200: SignIn, ...failures(401, 422, 429) },
      },
      onRequest: limits.loginsByNetwork,
      preHandler: limits.loginsByAccount,
    },
    async (request, reply) => {
      const { email, password, otp_token } = request.body
      const origin = await deviceCookie.originOf(request, email)
      const session = await signIn.withPassword(
        { email, password },
        { ...(otp_token && { code: otp_token }), origin },
      )
      deviceCookie.set(request, reply, session.userId)
      return signInView(dialect, session.details, session)
    },
  )

  app.post(
    '/auth/refresh',
    {
      schema: {
        tags,
        operationId: 'refreshSession',
        summary: 'Exchange a refresh token for new tokens',
        body: Type.Object({
          token: Secret,
          brief: Type.Optional(Type.Boolean({ description: 'Whether to return only the tokens.' })),
        }),
        response: { 200: RefreshedSession, ...failures(400, 422, 429) },
      },
    },
    async (request) => {
      const { token, brief } = request.body
      const found = await sessions.find(token)
      await limits.refreshes(request, found?.sessionId)
      if (!found) throw new AppError('invalid_token')
      const exchange = sessions.refresh(token, deviceOf(request), found)
      if (brief) return tokensView(await exchange)
      const [session, details] = await Promise.all([exchange, accounts.refreshDetails(found.userId)])
      return signInView(dialect, details, session)
    },
  )

  app.post(
    '/auth/confirm',
    {
      schema: {
        tags,
        operationId: 'confirmEmail',
        summary: 'Confirm an email address with a token from an email',
        body: TokenBody,
        response: { 204: NoContent, ...failures(400, 422, 429) },
      },
      onRequest: limits.requests,
    },
    async (request, reply) => {
      const userId = await accountEmails.confirm(request.body.token)
      securityLog.record('email_verified', { userId, ...deviceOf(request) })
      reply.code(204)
    },
  )

  app.post(
    '/auth/password/request',
    {
      schema: {
        tags,
        operationId: 'requestPasswordReset',
        summary:
          'Send a password reset email if the account exists. The response does not reveal whether it does',
        body: Type.Object({ email: Email }),
        response: { 204: NoContent, ...failures(422, 429) },
      },
      preHandler: limits.emails.password_reset,
    },
    async ({ body }, reply) => {
      await accountPasswords.requestReset(body.email)
      reply.code(204)
    },
  )

  app.post(
    '/auth/password/confirm',
    {
      schema: {
        tags,
        operationId: 'checkPasswordResetToken',
        summary: 'Get the user of a password reset token, without consuming the token',
        body: TokenBody,
        response: {
          200: PasswordResetOwner,
          ...failures(400, 422, 429),
        },
      },
      onRequest: limits.requests,
    },
    async ({ body }) => {
      const user = await accountPasswords.userOfReset(body.token)
      return { success: true as const, user: userSummaryView(user) }
    },
  )

  app.post(
    '/auth/password/reset',
    {
      schema: {
        tags,
        operationId: 'resetPassword',
        summary: 'Set a new password with a token from an email, and end all sessions',
        body: Type.Object({
          token: Secret,
          password: Type.Optional(
            Type.Union([Secret, Type.Null()], {
              description: 'The current password. Checked only if present.',
            }),
          ),
          new_password: Secret,
          new_password_confirmation: Secret,
        }),
        response: { 204: NoContent, ...failures(400, 422, 429) },
      },
      onRequest: limits.requests,
      async preHandler(request) {
        if (typeof (request.body as ResetBody).password === 'string') await resetPasswordChecks(request)
      },
    },
    async (request, reply) => {
      const { token, password, new_password, new_password_confirmation } = request.body
      const change = {
        token,
        newPassword: new_password,
        newPasswordConfirmation: new_password_confirmation,
        ...(typeof password === 'string' && { password }),
      }
      const device = deviceOf(request)
      const { userId, isFirst } = await accountPasswords.reset(change, device)
      if (isFirst) securityLog.record('email_verified', { userId, ...device })
      securityLog.record('password_reset', { userId, ...device })
      reply.code(204)
    },
  )

  app.post(
    '/api/signout',
    {
      schema: {
        tags,
        operationId: 'signOut',
        summary: 'End the session of a refresh token',
        body: TokenBody,
        response: { 204: NoContent, ...failures(400, 422, 429) },
      },
      onRequest: limits.requests,
    },
    async (request, reply) => {
      await sessions.revokeByRefreshToken(request.body.token, deviceOf(request))
      reply.code(204)
    },
  )
}
