/*
 * Every code and reason that the server sends of its own accord. docs/channels.md lists them.
 */

/** WebSocket close codes (RFC 6455, section 7.4.1, and the IANA registry). */
export const CloseCode = {
  /** The session ended, the server disconnected the user, or the client was idle. */
  goingAway: 1001,
  /** A frame could not be parsed. */
  unsupportedData: 1003,
  /** A message had too many fragments, or pings came too fast. */
  policyViolation: 1008,
  /** A frame was too large. */
  messageTooBig: 1009,
  /** The server is shutting down. */
  serviceRestart: 1012,
} as const

/** The `reason` of the error replies that the server makes itself, and of `phx_error`. */
export const ErrorReason = {
  unmatchedTopic: 'unmatched topic',
  tooManyChannels: 'too many channels joined',
  joinCrashed: 'join crashed',
  channelCrash: 'channel_crash',
  unknownEvent: 'unknown_event',
  invalidPayload: 'invalid_payload',
  rateLimited: 'rate_limited',
} as const

/** The HTTP status of a connection that is refused, by the reason that telemetry reports. */
export const RefusalStatus = {
  origin: 403,
  subprotocol: 403,
  version: 403,
  token: 403,
  user_connections: 429,
  address_connections: 429,
  connections: 503,
  draining: 503,
  error: 503,
} as const

/** Why a client may not connect. */
export type RefusalReason = keyof typeof RefusalStatus

/** The `status` in the body of long-polling responses. */
export const PollStatus = {
  /** Messages, or a post that was accepted. */
  ok: 200,
  /** No messages yet: poll again. */
  noContent: 204,
  /** The connection is refused. */
  forbidden: 403,
  /** The session is over. The response to a poll has the token of a new one. */
  gone: 410,
  /** Connect again later. */
  unavailable: 500,
} as const
