import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Account } from '../../../domain/accounts.ts'
import { AppError } from '../../../errors.ts'
import type { WhisperOptions } from '../../options.ts'
import { assetRoutes } from '../../pages/assets.ts'
import { type Page, sendPage } from '../../pages/layout.ts'
import { peoplePage, roomsPage } from '../../pages/rooms.ts'
import { codePage, mailPage, signInPage, signUpPage } from '../../pages/sign-in.ts'
import { twoFactorPage } from '../../pages/two-factor.ts'
import { callerFrom, forgetSignIn, requireSameOrigin, whisperSession } from '../../plugins/session.ts'
import { ownerOf, requireOwner } from './owner.ts'
import { answerReaders } from './readers.ts'

const schema = { hide: true }
const Next = Type.Object({ next: Type.Optional(Type.String()) })
const Search = Type.Object({ search: Type.Optional(Type.String()) })
const RoomId = Type.Object({ room_id: Type.String() })

/** The pages of Whisper, for people with a browser; what they do, they do through the API. */
export const pageRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, options) => {
  const { config, accounts, sessions, rooms, roomDirectory, limits, hasMailbox } = options
  const { publicUrl } = config
  const google = config.google !== null

  await app.register(assetRoutes)
  await app.register(keyRoutes, options)
  app.addHook('onRequest', limits.requests)
  answerReaders(app, publicUrl)

  /** A page that is the same for everybody. */
  const show = (path: string, page: (query: string) => Page) =>
    app.get(path, { schema: { ...schema, querystring: Next } }, async ({ query }, reply) =>
      sendPage(reply, page(nextQuery(query)), publicUrl),
    )
  show('/whisper/sign-in', (query) => signInPage({ google, query }))
  show('/whisper/sign-up', (query) => signUpPage({ google, query }))
  show('/whisper/mail', () => mailPage({ hasMailbox }))
  show('/whisper/code', () => codePage())
  show('/whisper/two-factor', () => twoFactorPage())

  app.get('/whisper', { schema: { ...schema, querystring: Next } }, async (request, reply) => {
    const reader = await readerOf(request)
    if (!reader) return sendPage(reply, signInPage({ google, query: nextQuery(request.query) }), publicUrl)
    return sendPage(reply, roomsPage(reader, await roomDirectory.roomsFor(reader.id)), publicUrl)
  })

  app.get(
    '/whisper/rooms/:room_id/people',
    { schema: { ...schema, params: RoomId, querystring: Search } },
    async (request, reply) => {
      const reader = await readerOf(request)
      if (!reader) return reply.redirect(`/whisper${nextQuery({ next: request.url })}`)
      const { room } = await rooms.open(request.params.room_id, reader.id)
      const search = request.query.search?.trim() ?? ''
      const [members, found] = await Promise.all([
        roomDirectory.members(room.id, reader.id),
        roomDirectory.outsiders(room.id, reader.id, search),
      ])
      return sendPage(reply, peoplePage({ reader, room, members, search, found }), publicUrl)
    },
  )

  app.post('/whisper/sign-out', { schema }, async (request, reply) => {
    requireSameOrigin(request)
    const { refreshToken } = whisperSession(request)
    forgetSignIn(request)
    if (refreshToken !== undefined) await endSession(refreshToken)
    return reply.redirect('/whisper', 303)
  })

  /** Who is signed in with this browser, if anybody is. */
  async function readerOf(request: FastifyRequest): Promise<Account | undefined> {
    try {
      const { userId } = await callerFrom(request)
      return await accounts.find(userId)
    } catch (error) {
      if (error instanceof AppError && error.status === 401) return undefined
      throw error
    }
  }

  /** A session that has ended by itself needs no end. */
  async function endSession(refreshToken: string): Promise<void> {
    try {
      await sessions.revokeByRefreshToken(refreshToken)
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500) throw error
    }
  }
}

/** What the QR code says, for who cannot scan it: it is on the screen of the phone that the app is on, or cannot be seen. */
const keyRoutes: FastifyPluginAsyncTypebox<WhisperOptions> = async (app, { totp, ...options }) => {
  requireOwner(app, options)
  app.post('/whisper/two-factor/key', { schema }, async (request, reply) => {
    reply.header('cache-control', 'no-store')
    return { uri: await totp.uri(ownerOf(request).account) }
  })
}

/** The query that leads back to the page one came for. */
function nextQuery({ next }: { next?: string | undefined }): string {
  return next === undefined ? '' : `?next=${encodeURIComponent(next)}`
}
