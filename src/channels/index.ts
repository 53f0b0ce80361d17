import { describeDatabaseFailure } from '../domain/shared/database-failure.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import { requestFields } from '../input/field-names.ts'
import type { Endpoint, ErrorReply } from '../realtime/socket/endpoint.ts'
import type { Services } from '../services.ts'
import type { Dialect } from '../views/dialect.ts'
import { AccountKeyBroadcasts } from './delivery/account-key-broadcasts.ts'
import { broadcastConversationEvents } from './delivery/conversation-broadcasts.ts'
import { conversationStreams } from './delivery/conversation-streams.ts'
import { DisplayNameBroadcasts } from './delivery/display-name-broadcasts.ts'
import { disconnectRevokedSessions } from './delivery/revoked-sessions.ts'
import { broadcastRoomEvents } from './delivery/room-broadcasts.ts'
import { roomStreams } from './delivery/room-streams.ts'
import { StreamDelivery } from './delivery/stream-delivery.ts'
import { HiddenUsers } from './presence/hidden-users.ts'
import { TypingIndicators } from './presence/typing.ts'
import { conversationChannel } from './topics/conversation.ts'
import { createGuard } from './topics/guard.ts'
import { roomChannel } from './topics/room.ts'
import { systemChannel } from './topics/system.ts'
import type { TokenVerifier } from './topics/token-verifier.ts'
import { userChannel } from './topics/user.ts'

/** The registered channels. */
export interface ChatChannels {
  /** How many times missed changes were read from the database. */
  readonly catchUps: number
  stop(): void
}

/** Registers the chat's channels on an endpoint, and publishes domain events to them. */
export function registerChannels(
  endpoint: Endpoint,
  { services, tokens, dialect }: { services: Services; tokens: TokenVerifier; dialect: Dialect },
): ChatChannels {
  const hiddenUsers = new HiddenUsers(endpoint, services)
  const typing = new TypingIndicators(endpoint)
  const nameChanges = new DisplayNameBroadcasts(endpoint, services)
  const conversations = new StreamDelivery(endpoint, conversationStreams(services, dialect))
  const rooms = new StreamDelivery(endpoint, roomStreams(services))
  const keyChanges = new AccountKeyBroadcasts(endpoint, services.events)
  broadcastConversationEvents(endpoint, conversations, services.events, dialect)
  broadcastRoomEvents(endpoint, rooms, services.events, services.media)
  disconnectRevokedSessions(endpoint, services)
  const context = {
    services,
    dialect,
    guard: createGuard((channel, payload) => tokens.isValid(channel, payload)),
    roomGuard: createGuard((channel, payload) => tokens.isValidIfGiven(channel, payload)),
    typing,
    hiddenUsers,
  }
  endpoint.use(
    conversationChannel(context),
    userChannel(context),
    systemChannel(context),
    roomChannel(context),
  )
  return {
    get catchUps() {
      return conversations.catchUps + rooms.catchUps
    },
    stop() {
      typing.stop()
      nameChanges.stop()
      keyChanges.stop()
      conversations.stop()
      rooms.stop()
    },
  }
}

/** Translates an expected failure into an error reply; undefined for an unexpected one. */
export function explain(error: unknown): ErrorReply | undefined {
  const failure = error instanceof AppError ? error : describeDatabaseFailure(error)
  if (!failure) return undefined
  switch (failure.code) {
    case 'validation_failed':
      return { response: { reason: 'invalid_payload', errors: requestFields(failure.fields ?? {}) } }
    case 'rate_limited':
      return { response: { reason: 'rate_limited', retry_after_ms: failure.retryAfterMs ?? 1_000 } }
    case 'busy':
      return { response: { reason: 'busy', retry_after_ms: failure.retryAfterMs ?? 1_000 } }
    default:
      return {
        response: failure.code,
        permanent: PERMANENT.has(failure.code),
        denied: failure.status === 403 ? failure.code : undefined,
      }
  }
}

/** The errors after which a client does not retry a join. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set(['no_conversation', 'no_room', 'not_member'])
