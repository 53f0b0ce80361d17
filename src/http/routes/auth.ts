import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { SessionCheck } from '../../domain/sessions.ts'
import { Text } from '../../validation.ts'
import { signInView, userSummaryView } from '../../views/users.ts'
import { deviceOf } from '../device.ts'
import type { RouteOptions } from '../options.ts'
import { failures, NoContent, SignIn, UserSummary } from '../schemas.ts'

const Email = Text({ maxLength: 160 })
/** Passwords and tokens are never stored: the domain judges them. */
const Secret = Type.String()

const Registration = Type.Object({
  email: Email,
  password: Secret,
  display_name: Type.Optional(
    Type.Union([Text(), Type.Null()], { description: '3 to 20 characters; the email if absent.' }),
  ),
  displayName: Type.Optional(
    Type.Union([Text(), Type.Null()], { description: 'Another name of `display_name`.' }),
  ),
})

const TokenBody = Type.Object({ token: Secret })

const tags = ['Signing in']

/** Registration, login and what letters ask for: everything that needs no access token. */
export const authRoutes: FastifyPluginAsyncTypebox<RouteOptions> = async (
  app,
  { accounts, sessions, totp, dialect, limits },
) => {
  app.post(
    '/auth/register',
    {
      schema: {
        tags,
        summary: 'Create an account and sign in',
        body: Registration,
        response: { 200: SignIn, ...failures(422, 429) },
      },
      onRequest: limits.registrations,
    },
    async (request) => {
      const { email, password, display_name, displayName } = request.body
      const name = display_name ?? displayName ?? undefined
      const account = await accounts.register({
        email,
        password,
        ...(name !== undefined && { displayName: name }),
      })
      return signIn(request, account.id)
    },
  )

  app.post(
    '/auth/login',
    {
      schema: {
        tags,
        summary: 'Sign in with a password',
        body: Type.Object({
          email: Email,
          password: Secret,
          otp_token: Type.Optional(
            Type.Union([Secret, Type.Null()], {
              description:
                'A code of the authenticator app, or a recovery code: needed once the app is set up.',
            }),
          ),
        }),
        response: { 200: SignIn, ...failures(401, 422, 429) },
      },
      onRequest: limits.loginsFromAddress,
      preHandler: limits.loginsToAccount,
    },
    async (request) => {
      const { email, password, otp_token } = request.body
      const account = await accounts.authenticate(email, password)
      const check = await totp.challenge(account, otp_token ?? undefined)
      return signIn(request, account.id, { check })
    },
  )

  app.post(
    '/auth/refresh',
    {
      schema: {
        tags,
        summary: 'Exchange a refresh token for new tokens',
        body: TokenBody,
        response: { 200: SignIn, ...failures(400, 422, 429) },
      },
      preHandler: limits.refreshes(({ body }) => (body as { token: string }).token),
    },
    async (request) => {
      const session = await sessions.refresh(request.body.token, deviceOf(request))
      return signInView(dialect, await accounts.signInDetails(session.userId), session)
    },
  )

  app.post(
    '/auth/confirm',
    {
      schema: {
        tags,
        summary: 'Confirm an email address with the token of a letter',
        body: TokenBody,
        response: { 204: NoContent, ...failures(400, 422, 429) },
      },
      onRequest: limits.requests,
    },
    async ({ body }, reply) => {
      await accounts.confirmEmail(body.token)
      reply.code(204)
    },
  )

  app.post(
    '/auth/password/request',
    {
      schema: {
        tags,
        summary: 'Ask for a letter to reset a password; the answer is the same whether the account exists',
        body: Type.Object({ email: Email }),
        response: { 204: NoContent, ...failures(422, 429) },
      },
      preHandler: limits.letters.password_reset,
    },
    async ({ body }, reply) => {
      await accounts.requestPasswordReset(body.email)
      reply.code(204)
    },
  )

  app.post(
    '/auth/password/confirm',
    {
      schema: {
        tags,
        summary: 'See whose password a token resets, without using it',
        body: TokenBody,
        response: {
          200: Type.Object(
            { success: Type.Literal(true), user: UserSummary },
            { description: 'Whose it is.' },
          ),
          ...failures(400, 422, 429),
        },
      },
      onRequest: limits.requests,
    },
    async ({ body }) => {
      const user = await accounts.userOfPasswordReset(body.token)
      return { success: true as const, user: userSummaryView(user) }
    },
  )

  app.post(
    '/auth/password/reset',
    {
      schema: {
        tags,
        summary: 'Set a new password with the token of a letter; ends every session',
        body: Type.Object({
          token: Secret,
          password: Type.Optional(
            Type.Union([Secret, Type.Null()], {
              description: 'The current password; must be right if sent.',
            }),
          ),
          new_password: Secret,
          new_password_confirmation: Secret,
        }),
        response: { 204: NoContent, ...failures(400, 422, 429) },
      },
      onRequest: limits.requests,
    },
    async ({ body }, reply) => {
      await accounts.resetPassword({
        token: body.token,
        newPassword: body.new_password,
        newPasswordConfirmation: body.new_password_confirmation,
        ...(typeof body.password === 'string' && { password: body.password }),
      })
      reply.code(204)
    },
  )

  app.post(
    '/api/signout',
    {
      schema: {
        tags,
        summary: 'End the session of a refresh token',
        body: TokenBody,
        response: { 204: NoContent, ...failures(400, 422, 429) },
      },
      onRequest: limits.requests,
    },
    async ({ body }, reply) => {
      await sessions.revokeByRefreshToken(body.token)
      reply.code(204)
    },
  )

  async function signIn(request: FastifyRequest, userId: string, options?: { check: SessionCheck }) {
    const session = await sessions.open(userId, deviceOf(request), options)
    return signInView(dialect, await accounts.signInDetails(userId), session)
  }
}
