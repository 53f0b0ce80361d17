import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { toBuffer } from 'qrcode'
import { Type } from 'typebox'
import { AppError } from '../../../errors.ts'
import { totpDeviceView, whisperSignInView } from '../../../views/whisper-accounts.ts'
import { deviceOf } from '../../device.ts'
import type { WhisperOptions } from '../../options.ts'
import { sendPage } from '../../pages/layout.ts'
import { codePage } from '../../pages/sign-in.ts'
import { callerOf } from '../../plugins/authenticate.ts'
import {
  rememberEmail,
  rememberSignIn,
  requireCaller,
  requireSameOrigin,
  whisperSession,
} from '../../plugins/session.ts'
import { failures, NoContent } from '../../schemas.ts'
import { ownerOf, requireOwner } from './owner.ts'
import { answerReaders, isForReader } from './readers.ts'
import { HtmlPage, WHISPER_SECURITY, WhisperSignIn } from './schemas.ts'

const PREFIX = '/api/v1/user'
const CONFIRMED = 'TOTP Device verified successfully. Proceed to login.'

/** Never stored: the domain judges it. */
const Code = Type.Object({
  otp_token: Type.String({
    description: 'Six digits of the authenticator app; to sign in, or a recovery code.',
  }),
})
const Device = { user: Type.String(), name: Type.String() }

const tags = ['Signing in to Whisper']
const security = WHISPER_SECURITY

/** Authenticator apps, and signing in with their codes. */
export const totpRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  await app.register(setUpRoutes, options)
  await app.register(removalRoutes, options)
  await app.register(codeRoutes, options)
}

const setUpRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, { totp, ...options }) => {
  requireOwner(app, options)

  app.post(
    `${PREFIX}/totp-device/create`,
    {
      schema: {
        tags,
        security,
        summary: 'Begin to set up an authenticator app; what was begun before is given up',
        response: {
          201: Type.Object(
            { ...Device, confirmed: Type.Literal(false) },
            { description: 'The app that is to be set up.' },
          ),
          ...failures(401, 403, 409, 429),
        },
      },
    },
    async (request, reply) => {
      const { account } = ownerOf(request)
      await totp.create(account.id)
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
        summary: 'The QR code that the authenticator app has to scan',
        response: {
          200: {
            description: 'The image.',
            content: { 'image/png': { schema: Type.Unsafe<Buffer>({ type: 'string', format: 'binary' }) } },
          },
          ...failures(401, 403, 404, 409, 429),
        },
      },
    },
    async (request, reply) => {
      const uri = await totp.uri(ownerOf(request).account)
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
        summary: 'Confirm the authenticator app with a code; ends every other session',
        body: Code,
        response: {
          200: Type.Object(
            {
              ...Device,
              confirmed: Type.Literal(true),
              message: Type.String(),
              recovery_codes: Type.Array(Type.String(), {
                description: 'Each signs in once without the app; they are not shown again.',
              }),
            },
            { description: 'From now on signing in needs a code.' },
          ),
          ...failures(401, 403, 404, 409, 422, 429),
        },
      },
    },
    async (request) => {
      const { account, sessionId } = ownerOf(request)
      const recoveryCodes = await totp.confirm(account, request.body.otp_token, sessionId)
      // The proof has served: from here on only a code leads further.
      if (whisperSession(request).proof) rememberEmail(request, account.email, 'claimed')
      return {
        ...totpDeviceView(account, true as const),
        message: CONFIRMED,
        recovery_codes: recoveryCodes,
      }
    },
  )
}

const removalRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, { totp, accounts, limits }) => {
  requireCaller(app, limits)

  app.delete(
    `${PREFIX}/totp-device`,
    {
      schema: {
        tags,
        security,
        summary: 'Remove the authenticator app, with a code of it',
        body: Code,
        response: { 204: NoContent, ...failures(401, 403, 404, 422, 429) },
      },
    },
    async (request, reply) => {
      await totp.remove(await accounts.find(callerOf(request).userId), request.body.otp_token)
      reply.code(204)
    },
  )
}

const codeRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (
  app,
  { totp, accounts, sessions, limits, config },
) => {
  answerReaders(app, config.publicUrl)

  app.get(
    `${PREFIX}/totp/verify`,
    {
      schema: {
        tags,
        summary: 'The page that asks for the code',
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
        summary: 'Sign in with a code; ends the Whisper session before it',
        body: Code,
        response: {
          200: WhisperSignIn,
          303: Type.Null({ description: 'To the rooms, for who came with a browser and without a script.' }),
          ...failures(401, 403, 422, 429),
        },
      },
      onRequest: limits.requests,
    },
    async (request, reply) => {
      requireSameOrigin(request)
      const { email } = whisperSession(request)
      if (email === undefined) throw new AppError('login_needed')
      const userId = await totp.verify(email, request.body.otp_token)
      const session = await sessions.open(userId, deviceOf(request), { kind: 'whisper' })
      rememberSignIn(request, session.refreshToken)
      if (isForReader(request)) return reply.redirect('/whisper', 303)
      return whisperSignInView(await accounts.find(userId), session)
    },
  )
}
