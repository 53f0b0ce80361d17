import type { IncomingMessage } from 'node:http'
import type { RefusalReason } from '../codes.ts'
import type { Identity } from './connection.ts'

/** How a client is connected. */
export type TransportName = 'websocket' | 'longpoll'

/** How a join or an event ended. A crash is a bug. `noreply` stands for an event that returned `NO_REPLY`. */
export type Outcome = 'ok' | 'error' | 'crash' | 'noreply'

/** What all hooks about a user's messages receive. */
interface MessageDetails {
  identity: Identity
  topic: string
  event: string
}

/** A join or an event that a channel has handled. */
export interface HandledDetails extends MessageDetails {
  outcome: Outcome
  /** From when the channel began to handle it until the reply was written. */
  durationMs: number
}

/** A connection that was opened. */
export interface ConnectDetails {
  identity: Identity
  transport: TransportName
  /** What `addressOf` returned. */
  address: string | undefined
  /** How long the handshake took. */
  durationMs: number
}

/** A connection that has ended. */
export interface CloseDetails extends ConnectDetails {
  /** The close code; 1006 if the connection was lost. */
  code: number
  /** How long it was open. */
  durationMs: number
}

/** A client that may not connect. */
export interface RefuseDetails {
  reason: RefusalReason
  /** Undefined without a valid token. */
  identity: Identity | undefined
  transport: TransportName
  request: IncomingMessage
}

/** A message that no channel has handled: its topic is not joined or unknown, or it exceeds a limit. */
export interface RejectDetails extends MessageDetails {
  response: unknown
}

/** A request for which a user lacked a permission. */
export interface DenyDetails {
  identity: Identity
  reason: string
}

/** Hooks that follow what the server does. They are called synchronously; an error that one throws is logged. */
export interface Telemetry {
  connect?(details: ConnectDetails): void
  refuse?(details: RefuseDetails): void
  join?(details: HandledDetails): void
  event?(details: HandledDetails): void
  reject?(details: RejectDetails): void
  deny?(details: DenyDetails): void
  close?(details: CloseDetails): void
}
