import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { CodeOrigin } from '../../../domain/two-factor/code-limits.ts'
import { AppError } from '../../../errors.ts'
import { failures, HtmlPage } from '../../../schemas/responses.ts'
import { WhisperSignIn } from '../../../schemas/whisper.ts'
import { whisperSignInView } from '../../../views/whisper-accounts.ts'
import { varyByAccept, wantsHtml } from '../../content-negotiation.ts'
import type { WhisperOptions } from '../../options.ts'
import { sendPage } from '../../pages/layout.ts'
import { codePage } from '../../pages/sign-in.ts'
import { requireSameOrigin } from '../../plugins/same-origin.ts'
import { readSession, storeSignIn } from '../../plugins/session-cookie.ts'

const PREFIX = '/api/v1/user'

/** The factors of a sign-in. They are never stored, so they need no check here: the domain validates them. */
const Factors = Type.Object({
  otp_token: Type.Optional(
    Type.String({
      description:
        'Six digits from the authenticator app, or a recovery code. Required if the account has an app.',
    }),
  ),
  password: Type.Optional(Type.String({ description: 'Required if the account has one.' })),
})

const tags = ['Whisper authentication']

/** Signs in with a code, and with the password if the account has one. */
export const totpSignInRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (
  app,
  { signIn, accounts, limits, deviceCookie, config },
) => {
  varyByAccept(app)
  const passwordChecks = limits.passwordChecks((request) => claimedEmail(request))

  app.get(
    `${PREFIX}/totp/verify`,
    {
      schema: {
        tags,
        operationId: 'showTotpVerification',
        summary: 'Get the page with the code form',
        response: { 200: HtmlPage, ...failures(429) },
      },
      onRequest: limits.requests,
    },
    async (_request, reply) => sendPage(reply, codePage(), config.publicUrl),
  )

  app.post(
    `${PREFIX}/totp/verify`,
    {
      schema: {
        tags,
        operationId: 'verifyTotp',
        summary:
          'Sign in with a code, and with the password if the account has one. Ends the previous Whisper session',
        body: Factors,
        response: {
          200: WhisperSignIn,
          303: Type.Null({
            description: 'Redirects to the rooms, for a form that a browser submits without scripts.',
          }),
          ...failures(401, 403, 422, 429),
        },
      },
      onRequest: limits.requests,
    },
    async (request, reply) => {
      requireSameOrigin(request, config.publicUrl)
      const email = claimedEmail(request)
      const { otp_token: code = '', password } = request.body
      // An HTML form sends an empty text for an empty field.
      if (password) await passwordChecks(request)
      const origin = await originOf(request, email)
      const session = await signIn.withCode({ email, password: password || undefined }, { code, origin })
      deviceCookie.set(request, reply, session.userId)
      storeSignIn(request, session.refreshToken)
      if (wantsHtml(request)) return reply.redirect('/whisper', 303)
      return whisperSignInView(await accounts.find(session.userId), session)
    },
  )

  /** A browser with a verified email is a trusted client, as one that has signed in before. */
  async function originOf(request: FastifyRequest, email: string): Promise<CodeOrigin> {
    const origin = await deviceCookie.originOf(request, email)
    const isVerified = readSession(request).verification === 'verified'
    return isVerified ? { ...origin, trustedClient: `verified ${email}` } : origin
  }
}

/** @throws AppError `login_needed`. */
function claimedEmail(request: FastifyRequest): string {
  const { email } = readSession(request)
  if (email === undefined) throw new AppError('login_needed')
  return email
}
