/** The entry `parley/channels`: a server for Phoenix channels. See docs/channels.md. */
export type { Clock } from '../clock.ts'
export type { Backplane, RouteListener } from './cluster/backplane.ts'
export { CloseCode, ErrorReason, PollStatus, type RefusalReason, RefusalStatus } from './codes.ts'
export type { Meta, PresenceStatePayload } from './pubsub/presence-state.ts'
export { ChannelServer, type ChannelServerOptions } from './server/channel-server.ts'
export type { SocketOwner, UserInTopic } from './server/node-commands.ts'
export { type Channel, type JoiningChannel, NO_REPLY, type Reply } from './socket/channel.ts'
export {
  type AnyChannelDefinition,
  type ChannelDefinition,
  defineChannel,
  type EventHandler,
  type HandleEvent,
  type Joined,
} from './socket/channel-definition.ts'
export type { Identity } from './socket/connection.ts'
export type { ConnectionLimits } from './socket/connection-limits.ts'
export type { ErrorReply, Logger } from './socket/endpoint.ts'
export type { Authenticate, ConnectInfo } from './socket/handshake.ts'
export type { PayloadSchema, StandardSchema } from './socket/payload.ts'
export { Refusal, type RefusalOptions } from './socket/refusal.ts'
export type { SessionExpiryLookup } from './socket/session-expiry.ts'
export type {
  CloseDetails,
  ConnectDetails,
  DenyDetails,
  HandledDetails,
  Outcome,
  RefuseDetails,
  RejectDetails,
  Telemetry,
  TransportName,
} from './socket/telemetry.ts'
export type { MessageLimits } from './socket/user-limits.ts'
