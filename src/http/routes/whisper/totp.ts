import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { toBuffer } from 'qrcode'
import { Type } from 'typebox'
import type { CodeOrigin } from '../../../domain/two-factor/code-limits.ts'
import { AppError } from '../../../errors.ts'
import { totpDeviceView, whisperSignInView } from '../../../views/whisper-accounts.ts'
import { varyByAccept, wantsHtml } from '../../content-negotiation.ts'
import type { WhisperOptions } from '../../options.ts'
import { sendPage } from '../../pages/layout.ts'
import { codePage } from '../../pages/sign-in.ts'
import { requireSameOrigin } from '../../plugins/same-origin.ts'
import { readSession, storeEmail, storeSignIn } from '../../plugins/session-cookie.ts'
import { Binary, failures, HtmlPage, NoContent } from '../../schemas/responses.ts'
import {
  ConfirmedTotpDevice,
  RecoveryCodes,
  TotpDevice,
  WHISPER_SECURITY,
  WhisperSignIn,
} from '../../schemas/whisper.ts'
import { ownerOf, ownerOrigin, requireOwner, requireRecentSignIn } from './account-owner.ts'

const PREFIX = '/api/v1/user'
const CONFIRMED = 'TOTP Device verified successfully. Proceed to login.'

/** A code is never stored, so it needs no check here: the domain validates it. */
const Code = Type.Object({
  otp_token: Type.String({
    description:
      'Six digits from the authenticator app. A recovery code also works once the app is confirmed.',
  }),
})
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
const security = WHISPER_SECURITY

/** Authenticator apps, and signing in with their codes. */
export const totpRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  await app.register(setUpRoutes, options)
  await app.register(removalRoutes, options)
  await app.register(codeRoutes, options)
}

const setUpRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, { totpEnrolment, ...options }) => {
  requireOwner(app, options)

  app.post(
    `${PREFIX}/totp-device/create`,
    {
      schema: {
        tags,
        security,
        operationId: 'createTotpDevice',
        summary: 'Begin to set up an authenticator app. Replaces an unconfirmed one',
        response: {
          201: TotpDevice,
          ...failures(401, 403, 409, 429),
        },
      },
    },
    async (request, reply) => {
      const { account, enrolment } = ownerOf(request)
      await totpEnrolment.create(account.id, enrolment)
      reply.code(201)
      return totpDeviceView(account, false as const)
    },
  )

  app.post(
    `${PREFIX}/qr-code`,
    {
      schema: {
        tags,
        security,
        operationId: 'getTotpQrCode',
        summary: 'Get the QR code to scan with the authenticator app',
        response: {
          200: {
            description: 'The image.',
            content: { 'image/png': { schema: Binary } },
          },
          ...failures(401, 403, 404, 409, 429),
        },
      },
    },
    async (request, reply) => {
      const { account, enrolment } = ownerOf(request)
      const uri = await totpEnrolment.uri(account, enrolment)
      const image = await toBuffer(uri, { type: 'png', errorCorrectionLevel: 'L', scale: 6 })
      return reply.type('image/png').send(image)
    },
  )

  app.post(
    `${PREFIX}/totp-device/verify`,
    {
      schema: {
        tags,
        security,
        operationId: 'confirmTotpDevice',
        summary: 'Confirm the authenticator app with a code, and end all other sessions',
        body: Code,
        response: {
          200: ConfirmedTotpDevice,
          ...failures(401, 403, 404, 409, 422, 429),
        },
      },
    },
    async (request) => {
      const { account, enrolment } = ownerOf(request)
      const given = { code: request.body.otp_token, origin: ownerOrigin(request) }
      const recoveryCodes = await totpEnrolment.confirm(account, given, enrolment)
      // The verified email is single use: the next step needs a code.
      if (readSession(request).verification) storeEmail(request, account.email, 'unverified')
      return {
        ...totpDeviceView(account, true as const),
        message: CONFIRMED,
        recovery_codes: recoveryCodes,
      }
    },
  )
}

const removalRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, { totp, ...options }) => {
  requireRecentSignIn(app, options)

  app.post(
    `${PREFIX}/totp-device/recovery-codes`,
    {
      schema: {
        tags,
        security,
        operationId: 'replaceRecoveryCodes',
        summary: 'Replace the recovery codes. Requires a code',
        body: Code,
        response: {
          200: RecoveryCodes,
          ...failures(401, 403, 404, 422, 429),
        },
      },
    },
    async (request) => {
      const given = { code: request.body.otp_token, origin: ownerOrigin(request) }
      return { recovery_codes: await totp.replaceRecoveryCodes(ownerOf(request).account, given) }
    },
  )

  app.delete(
    `${PREFIX}/totp-device`,
    {
      schema: {
        tags,
        security,
        operationId: 'removeTotpDevice',
        summary: 'Remove the authenticator app. Requires a code',
        body: Code,
        response: { 204: NoContent, ...failures(401, 403, 404, 422, 429) },
      },
    },
    async (request, reply) => {
      const given = { code: request.body.otp_token, origin: ownerOrigin(request) }
      await totp.remove(ownerOf(request).account, given)
      reply.code(204)
    },
  )
}

const codeRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (
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
