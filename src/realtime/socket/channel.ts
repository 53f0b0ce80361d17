import type { Identity } from './connection.ts'

/** A topic that is being joined on one socket. */
export interface JoiningChannel<User extends Identity = Identity> {
  readonly topic: string
  /** What `authenticate` returned for the socket. */
  readonly identity: User
  readonly userId: string
  /** How many channels and other subscribers this node has in the topic. */
  readonly subscriberCount: number
  /** Charges the user's rate limit for an event that reaches `recipients` users. */
  charge(recipients: number): void
  /** Sends an event to every subscriber of the topic on all nodes, this channel's client included. */
  broadcast(event: string, payload: unknown): void
  /** Sends an event to every other subscriber of the topic on all nodes. */
  broadcastFrom(event: string, payload: unknown): void
  /** Ends the channel with `phx_close`, after the reply to the join or event that is running. */
  close(): void
}

/** One topic joined on one socket, as channel definitions see it. */
export interface Channel<State = unknown, User extends Identity = Identity> extends JoiningChannel<User> {
  /** What the join returned. */
  state: State
  /** Whether the join was answered and the channel has not ended. */
  readonly isJoined: boolean
  /** Sends an event to this channel's client only. */
  push(event: string, payload: unknown): void
  /**
   * Makes the channel a presence of `key` in its topic, until it ends. Without effect if it already is one.
   * @throws RangeError for a key that every object inherits, such as `__proto__`.
   */
  track(key: string, meta?: Record<string, unknown>): void
  /** Replaces the meta of the channel's presence. Without effect if it has none. */
  updatePresence(meta: Record<string, unknown>): void
  untrack(): void
  /** Pushes the `presence_state` of the topic. Clients ignore presence diffs that come before it. */
  pushPresence(): void
}

/** Answers one push, at any time while its channel is joined. Only the first answer is sent. */
export interface Reply {
  /** @param response `{}` if absent. */
  ok(response?: unknown): void
  error(response?: unknown): void
}

/** Returned by an event handler that sends no reply, or sends it later with its `reply`. */
export const NO_REPLY: unique symbol = Symbol('no reply')
