import type { Channel } from './channel.ts'

/** The result of a join: the state that the channel's events use, and the reply (`{}` if absent). */
export interface Joined<State> {
  state: State
  reply?: unknown
}

/** Handles an event. The result is the `response` of an ok reply; an error is answered as the endpoint explains it. */
export interface EventHandler<State> {
  handle(channel: Channel, state: State, payload: unknown): unknown
  /**
   * Events of a channel run one at a time, except that concurrent ones run alongside each other. Use it for events that
   * queue their work themselves, in the order of the calls.
   */
  concurrent?: boolean
}

/** Describes the channels of all topics that match a pattern. */
export interface ChannelDefinition<State> {
  /** An exact topic, or a prefix that ends in `*`. */
  pattern: string
  /**
   * Authorizes a join, or throws. Broadcasts that arrive meanwhile are delivered after the reply.
   * @param subtopic the part of the topic that `*` stands for.
   */
  join(channel: Channel, subtopic: string, payload: unknown): Joined<State> | Promise<Joined<State>>
  /** Runs right after the reply to the join, before any broadcast is delivered. */
  joined?(channel: Channel, state: State): void
  events: Record<string, EventHandler<State>>
  /** How many users an event of the channel reaches, for which the sender is charged (`UserLimits.charge`); 0 if absent. */
  audience?(channel: Channel, state: State): number
  /** Runs once when a joined channel ends, for any reason. */
  left?(channel: Channel, state: State): void
}

/** A definition of any state type, with defaults filled in. */
export interface AnyChannelDefinition {
  pattern: string
  join: ChannelDefinition<unknown>['join']
  joined(channel: Channel, state: unknown): void
  left(channel: Channel, state: unknown): void
  audience(channel: Channel, state: unknown): number
  events: ReadonlyMap<string, EventHandler<unknown>>
}

/** Describes channels for `Endpoint.use`. */
export function defineChannel<State>(definition: ChannelDefinition<State>): AnyChannelDefinition {
  const { pattern, join, joined, left, audience, events } = definition as ChannelDefinition<unknown>
  return {
    pattern,
    join,
    joined: joined ?? (() => {}),
    left: left ?? (() => {}),
    audience: audience ?? (() => 0),
    // A map, because an object also has properties that it inherits, such as `constructor`.
    events: new Map(Object.entries(events)),
  }
}

/** An expected refusal of a join or an event. A permanent one closes the channel after a join, so that the client does not retry. */
export class Refusal extends Error {
  constructor(
    readonly response: unknown,
    readonly permanent = false,
    /** The reason to report when the user lacked a permission. */
    readonly denied?: string,
  ) {
    super('refused')
    this.name = 'Refusal'
  }
}
