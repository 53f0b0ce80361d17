import { databaseTrouble } from '../domain/database-trouble.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import type { Endpoint, Explanation } from '../realtime/endpoint.ts'
import type { Identity } from '../realtime/socket.ts'
import type { Services } from '../services.ts'
import type { Dialect } from '../views/dialect.ts'
import { Broadcasts } from './broadcasts.ts'
import { conversationChannel } from './conversation.ts'
import { ConversationFeeds } from './conversation-feeds.ts'
import { followSessions } from './follow-sessions.ts'
import { makeGuard } from './guard.ts'
import { Hiding } from './hiding.ts'
import { MembershipWatch } from './membership-watch.ts'
import { missedChanges, missedInRooms } from './missed.ts'
import { roomChannel } from './room.ts'
import { broadcastRooms } from './room-broadcasts.ts'
import { RoomFeeds } from './room-feeds.ts'
import { systemChannel } from './system.ts'
import { TokenCheck } from './token-check.ts'
import { Typing } from './typing.ts'
import { userChannel } from './user.ts'
import { Visibility } from './visibility.ts'

/** The chat's part in an endpoint. */
export interface ChatChannels {
  /** Who may connect with an access token; undefined: nobody. */
  admit(token: string | undefined): Identity | undefined
  /** How often something that was missing here was read from the database. */
  readonly catchUps: number
  stop(): void
}

/** Puts the chat's channels on an endpoint. */
export function useChannels(endpoint: Endpoint, services: Services, dialect: Dialect): ChatChannels {
  const tokens = new TokenCheck(services.sessions)
  const visibility = new Visibility(endpoint)
  const typing = new Typing(endpoint)
  const conversationFeeds = new ConversationFeeds(endpoint, missedChanges(services, dialect))
  const roomFeeds = new RoomFeeds(endpoint, missedInRooms(services))
  const broadcasts = new Broadcasts(conversationFeeds, services.events, dialect)
  broadcastRooms(endpoint, roomFeeds, services.events, services.media)
  followSessions(endpoint, services)
  new Hiding(endpoint, services, visibility)
  const membershipWatch = new MembershipWatch(endpoint, services)
  const context = {
    services,
    dialect,
    guard: makeGuard((channel, payload) => tokens.isValid(channel, payload)),
    roomGuard: makeGuard((channel, payload) => tokens.isValidIfGiven(channel, payload)),
    broadcasts,
    typing,
    visibility,
  }
  endpoint.use(
    conversationChannel(context),
    userChannel(context),
    systemChannel(context),
    roomChannel(context),
  )
  return {
    admit: (token) => tokens.admit(token),
    get catchUps() {
      return conversationFeeds.catchUps + roomFeeds.catchUps
    },
    stop() {
      typing.stop()
      membershipWatch.stop()
    },
  }
}

/** How the chat's expected failures are told on a socket; undefined for a bug. */
export function explain(error: unknown): Explanation | undefined {
  const failure = error instanceof AppError ? error : databaseTrouble(error)
  if (!failure) return undefined
  switch (failure.code) {
    case 'validation_failed':
      return { response: { reason: 'invalid_payload', errors: failure.fields ?? {} } }
    case 'busy':
      return { response: { reason: 'busy', retry_after_ms: failure.retryAfterMs ?? 1_000 } }
    default:
      return { response: failure.code, permanent: PERMANENT.has(failure.code) }
  }
}

/** Why a join is refused for good. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set(['no_conversation', 'no_room', 'not_member'])
