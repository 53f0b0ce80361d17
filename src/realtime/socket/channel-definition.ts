import type { Channel, JoiningChannel, Reply } from './channel.ts'
import type { Identity } from './connection.ts'
import { type PayloadSchema, parsePayload } from './payload.ts'

/** The result of a join: the state of the channel, and the reply (`{}` if absent). */
export interface Joined<State> {
  state: State
  reply?: unknown
}

/** What a join returns; nothing for a channel without state that is joined with `{}`. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement has this type
type JoinResult<State> = Joined<State> | void

/**
 * Handles an event. The result is the `response` of an ok reply (`{}` for undefined), or `NO_REPLY`. A `Refusal` that it throws
 * is an error reply.
 */
export type HandleEvent<State = unknown, User extends Identity = Identity, Payload = unknown> = (
  channel: Channel<State, User>,
  payload: Payload,
  reply: Reply,
) => unknown

/** How an event is handled. */
export interface EventHandler<State = unknown, User extends Identity = Identity, Payload = unknown> {
  /** Validates the payload. Default: it is passed on as it is. */
  payload?: PayloadSchema<Payload> | undefined
  handle: HandleEvent<State, User, Payload>
  /**
   * Events of a channel run one at a time, except that concurrent ones run alongside each other. Use it for events that
   * queue their work themselves, in the order of the calls.
   */
  concurrent?: boolean | undefined
}

/** The events of a channel, with the types of their payloads. */
type EventHandlers<State, User extends Identity, Payloads> = {
  [Event in keyof Payloads]:
    | HandleEvent<State, User, Payloads[Event]>
    | EventHandler<State, User, Payloads[Event]>
}

/** Describes the channels of all topics that match a pattern. */
export interface ChannelDefinition<
  State,
  User extends Identity = Identity,
  Payload = unknown,
  Payloads = Record<string, unknown>,
> {
  /** An exact topic, or a prefix that ends in `*`. */
  pattern: string
  /** Validates the payload of a join. Default: it is passed on as it is. */
  payload?: PayloadSchema<Payload>
  /**
   * Authorizes a join, or throws. Broadcasts that arrive meanwhile are delivered after the reply.
   * @param subtopic the part of the topic that `*` stands for.
   */
  join(
    channel: JoiningChannel<User>,
    subtopic: string,
    payload: Payload,
  ): JoinResult<State> | Promise<JoinResult<State>>
  /** Runs right after the reply to the join, before any broadcast is delivered. */
  joined?(channel: Channel<State, User>): void
  events?: EventHandlers<State, User, Payloads>
  /** How many users an event of the channel reaches, for which the sender is charged; 0 if absent. */
  audience?(channel: Channel<State, User>): number
  /** Runs once when a joined channel ends, for any reason. */
  left?(channel: Channel<State, User>): void
}

/** A definition of any state and identity, with defaults filled in. */
export interface AnyChannelDefinition {
  readonly pattern: string
  readonly payload: PayloadSchema<unknown> | undefined
  readonly join: ChannelDefinition<unknown>['join']
  joined(channel: Channel): void
  left(channel: Channel): void
  audience(channel: Channel): number
  readonly events: ReadonlyMap<string, EventHandler>
}

/** Describes channels for `ChannelServer.use`. Write `join` before `events`, from which they infer the type of the state. */
export function defineChannel<
  State = unknown,
  User extends Identity = Identity,
  Payload = unknown,
  Payloads = Record<string, unknown>,
>(definition: ChannelDefinition<State, User, Payload, Payloads>): AnyChannelDefinition {
  // The state and the payloads of a channel only ever reach its own handlers, whose types agree with them.
  const { pattern, payload, join, joined, left, audience, events } =
    definition as unknown as ChannelDefinition<unknown>
  return {
    pattern,
    payload,
    join,
    joined: joined ?? (() => {}),
    left: left ?? (() => {}),
    audience: audience ?? (() => 0),
    // A map, because an object also has properties that it inherits, such as `constructor`.
    events: new Map(Object.entries(events ?? {}).map(([event, handler]) => [event, normalized(handler)])),
  }
}

/** A handler that validates the payload itself. */
function normalized(handler: HandleEvent | EventHandler): EventHandler {
  if (typeof handler === 'function') return { handle: handler }
  const { payload: schema, handle, concurrent } = handler
  if (!schema) return handler
  return {
    concurrent,
    handle(channel, payload, reply) {
      const parsed = parsePayload(schema, payload)
      return parsed instanceof Promise
        ? parsed.then((value) => handle(channel, value, reply))
        : handle(channel, parsed, reply)
    },
  }
}
