import formBody from '@fastify/formbody'
import type { FastifyPluginAsync } from 'fastify'
import type { WhisperOptions } from '../../options.ts'
import { useSessionCookie } from '../../plugins/session-cookie.ts'
import { roomSocket } from '../../room-socket/room-socket.ts'
import { whisperAccountRoutes } from './accounts.ts'
import { mediaRoutes } from './media.ts'
import { pageRoutes } from './pages.ts'
import { registrationDenialRoutes } from './registration-denial.ts'
import { roomHomeRoutes } from './room-home.ts'
import { roomRoutes } from './rooms.ts'
import { socialRoutes } from './social.ts'
import { totpDeviceRoutes } from './totp-device.ts'
import { totpSignInRoutes } from './totp-sign-in.ts'

/** The accounts, rooms and pages of Whisper. All routes read the session cookie, and accept forms as well as JSON. */
export const whisperRoutes: FastifyPluginAsync<WhisperOptions> = async (app, options) => {
  await useSessionCookie(app, options)
  await app.register(formBody)
  await app.register(whisperAccountRoutes, options)
  await app.register(registrationDenialRoutes, options)
  await app.register(totpDeviceRoutes, options)
  await app.register(totpSignInRoutes, options)
  await app.register(socialRoutes, options)
  await app.register(roomRoutes, options)
  await app.register(roomHomeRoutes, options)
  await app.register(mediaRoutes, options)
  await app.register(roomSocket, options)
  await app.register(pageRoutes, options)
}
