import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Account } from '../../../domain/accounts/accounts.ts'
import type { ClientDevice } from '../../../domain/sessions/sessions.ts'
import { AppError } from '../../../errors.ts'
import { varyByAccept, wantsHtml } from '../../content-negotiation.ts'
import { deviceOf } from '../../device.ts'
import type { WhisperOptions } from '../../options.ts'
import { assetRoutes } from '../../pages/assets.ts'
import { type Page, sendPage } from '../../pages/layout.ts'
import { membersPage, roomsPage } from '../../pages/rooms.ts'
import { checkEmailPage, codePage, signInPage, signUpPage } from '../../pages/sign-in.ts'
import { twoFactorPage } from '../../pages/two-factor.ts'
import { authenticate } from '../../plugins/authenticate.ts'
import { requireSameOrigin } from '../../plugins/same-origin.ts'
import { clearSession, readSession } from '../../plugins/session-cookie.ts'
import { ownerOf, requireOwner } from './account-owner.ts'

const schema = { hide: true }
const Next = Type.Object({ next: Type.Optional(Type.String()) })
const Rooms = Type.Object({
  ...Next.properties,
  own_before: Type.Optional(Type.String()),
  before: Type.Optional(Type.String()),
})
const People = Type.Object({ search: Type.Optional(Type.String()), after: Type.Optional(Type.String()) })
const RoomId = Type.Object({ room_id: Type.String() })

/** The pages of Whisper. Their scripts use the API. */
export const pageRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  const { config, accounts, sessions, rooms, roomDirectory, limits, hasMailbox } = options
  const { publicUrl } = config
  const google = config.google !== null

  await app.register(assetRoutes)
  await app.register(keyRoutes, options)
  app.addHook('onRequest', limits.requests)
  varyByAccept(app)

  /** Adds a page without user data. */
  const show = (path: string, page: (query: string) => Page) =>
    app.get(path, { schema: { ...schema, querystring: Next } }, async ({ query }, reply) =>
      sendPage(reply, page(nextQuery(query)), publicUrl),
    )
  show('/whisper/sign-in', (query) => signInPage({ google, query }))
  show('/whisper/sign-up', (query) => signUpPage({ google, query }))
  show('/whisper/mail', () => checkEmailPage({ hasMailbox }))
  show('/whisper/code', () => codePage())
  show('/whisper/two-factor', () => twoFactorPage())

  app.get('/', { schema }, async (request, reply) => {
    if (!wantsHtml(request)) throw new AppError('not_found')
    return reply.redirect('/whisper')
  })

  app.get('/whisper', { schema: { ...schema, querystring: Rooms } }, async (request, reply) => {
    const reader = await readerOf(request)
    if (!reader) return sendPage(reply, signInPage({ google, query: nextQuery(request.query) }), publicUrl)
    const { own_before: ownBefore, before } = request.query
    const [own, others] = await Promise.all([
      roomDirectory.rooms(reader.id, true, ownBefore),
      roomDirectory.rooms(reader.id, false, before),
    ])
    return sendPage(reply, roomsPage(reader, { own, others }), publicUrl)
  })

  app.get(
    '/whisper/rooms/:room_id/people',
    { schema: { ...schema, params: RoomId, querystring: People } },
    async (request, reply) => {
      const reader = await readerOf(request)
      if (!reader) return reply.redirect(`/whisper${nextQuery({ next: request.url })}`)
      const { room } = await rooms.open(request.params.room_id, reader.id)
      const search = request.query.search?.trim() ?? ''
      if (search) await limits.searches(request)
      const [members, found] = await Promise.all([
        roomDirectory.members(room.id, reader.id, request.query.after),
        roomDirectory.inviteCandidates(room.id, reader.id, search),
      ])
      return sendPage(reply, membersPage({ reader, room, members, search, found }), publicUrl)
    },
  )

  app.post('/whisper/sign-out', { schema }, async (request, reply) => {
    requireSameOrigin(request, config.publicUrl)
    const { refreshToken } = readSession(request)
    clearSession(request)
    if (refreshToken !== undefined) await endSession(refreshToken, deviceOf(request))
    return reply.redirect('/whisper', 303)
  })

  /** The user that the browser is signed in as, if any. */
  async function readerOf(request: FastifyRequest): Promise<Account | undefined> {
    try {
      const { userId } = await authenticate(request, options)
      return await accounts.find(userId)
    } catch (error) {
      if (error instanceof AppError && error.status === 401) return undefined
      throw error
    }
  }

  /** Ignores a session that has ended already. */
  async function endSession(refreshToken: string, device: ClientDevice): Promise<void> {
    try {
      await sessions.revokeByRefreshToken(refreshToken, device)
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500) throw error
    }
  }
}

/** The content of the QR code, for users who cannot scan it. */
const keyRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, { totpEnrolment, ...options }) => {
  requireOwner(app, options)
  app.post('/whisper/two-factor/key', { schema }, async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const { account, enrolment } = ownerOf(request)
    return { uri: await totpEnrolment.uri(account, enrolment) }
  })
}

/** The query with the page to return to after signing in. */
function nextQuery({ next }: { next?: string | undefined }): string {
  return next === undefined ? '' : `?next=${encodeURIComponent(next)}`
}
