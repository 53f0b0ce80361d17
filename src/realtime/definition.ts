import type { Channel } from './channel.ts'

/** What joining gives: the state the channel's events work on, and the answer to the client (`{}` when absent). */
export interface Joined<State> {
  state: State
  reply?: unknown
}

/** What an event does. Its result is the `response` of an ok reply; a throw is told as the endpoint explains it. */
export interface EventHandler<State> {
  handle(channel: Channel, state: State, payload: unknown): unknown
  /**
   * Events of one channel run one after the other. A concurrent one may overtake its own kind: for events that queue
   * their work themselves, in the order they are called.
   */
  concurrent?: boolean
}

/** What a family of topics is made of. */
export interface ChannelDefinition<State> {
  /** An exact topic, or a prefix that ends in `*`. */
  pattern: string
  /** Says who may join; `subtopic` is what the `*` stands for. Broadcasts that arrive meanwhile are kept for after the reply. */
  join(channel: Channel, subtopic: string, payload: unknown): Joined<State> | Promise<Joined<State>>
  /** Runs right after the reply to the join, before anything that was broadcast meanwhile. */
  joined?(channel: Channel, state: State): void
  events: Record<string, EventHandler<State>>
  /** Runs once when a joined channel is gone, whatever the reason. */
  left?(channel: Channel, state: State): void
}

/** A definition whose state is its own business. */
export interface AnyChannelDefinition {
  pattern: string
  join: ChannelDefinition<unknown>['join']
  joined(channel: Channel, state: unknown): void
  left(channel: Channel, state: unknown): void
  events: ReadonlyMap<string, EventHandler<unknown>>
}

/** Describes a family of channels for `Endpoint`. */
export function defineChannel<State>(definition: ChannelDefinition<State>): AnyChannelDefinition {
  const { pattern, join, joined, left, events } = definition as ChannelDefinition<unknown>
  return {
    pattern,
    join,
    joined: joined ?? (() => {}),
    left: left ?? (() => {}),
    // A map, so that an event named like a property of every object is unknown.
    events: new Map(Object.entries(events)),
  }
}

/**
 * An expected refusal of a join or an event. A permanent one is followed by `phx_close` on a join, so that the client
 * does not try again.
 */
export class Refusal extends Error {
  constructor(
    readonly response: unknown,
    readonly permanent = false,
  ) {
    super('refused')
    this.name = 'Refusal'
  }
}
