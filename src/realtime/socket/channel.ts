import type { Identity } from './connection.ts'

/** One topic joined on one socket, as channel definitions see it. */
export interface Channel {
  readonly topic: string
  readonly identity: Identity
  readonly userId: string
  /** Whether the join was answered and the channel has not ended. */
  readonly isJoined: boolean
  /** How many channels and other subscribers this node has in the topic. */
  readonly subscriberCount: number
  /** Charges the user's rate limit for an event that reaches `recipients` users. */
  charge(recipients: number): void
  /** Sends an event to this channel's client only. */
  push(event: string, payload: unknown): void
  /** Sends an event to every subscriber of the topic on all nodes, this channel's client included. */
  broadcast(event: string, payload: unknown): void
  /** Ends the channel with `phx_close`, after the reply to the event that is running. */
  close(): void
}
