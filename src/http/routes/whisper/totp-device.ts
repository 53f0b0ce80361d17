import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { toBuffer } from 'qrcode'
import { Type } from 'typebox'
import { Binary, failures, NoContent } from '../../../schemas/responses.ts'
import { ConfirmedTotpDevice, RecoveryCodes, TotpDevice, WHISPER_SECURITY } from '../../../schemas/whisper.ts'
import { totpDeviceView } from '../../../views/whisper-accounts.ts'
import type { WhisperOptions } from '../../options.ts'
import { readSession, storeEmail } from '../../plugins/session-cookie.ts'
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

const tags = ['Whisper authentication']
const security = WHISPER_SECURITY

/** Sets up, confirms and removes authenticator apps, and replaces recovery codes. */
export const totpDeviceRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  await app.register(setUpRoutes, options)
  await app.register(removalRoutes, options)
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
