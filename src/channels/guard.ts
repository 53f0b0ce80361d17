import type { Static, TSchema } from 'typebox'
import type { Channel } from '../realtime/channel.ts'
import { type EventHandler, Refusal } from '../realtime/definition.ts'
import { payloadCheck } from '../validation.ts'

/** The checks of one server; see `makeGuard`. */
export type Guard = ReturnType<typeof makeGuard>

/** Whether a payload has the token it needs. */
type TokenJudge = (channel: Channel, payload: unknown) => boolean

type Handler<State, Schema extends TSchema> = (
  channel: Channel,
  state: State,
  payload: Static<Schema>,
) => unknown

/**
 * Gives channels the two checks that come before any rule: `on` makes an event of a payload schema and what the event
 * does, `checkToken` is for joins. A handler that returns nothing is answered `message_sent`.
 */
export function makeGuard(hasToken: TokenJudge) {
  function on<State, Schema extends TSchema>(
    schema: Schema,
    handler: Handler<State, Schema>,
  ): EventHandler<State> {
    const check = payloadCheck(schema)
    return {
      handle(channel, state, payload) {
        if (!hasToken(channel, payload)) throw new Refusal('invalid_token')
        const result = handler(channel, state, check(payload))
        return result instanceof Promise ? result.then(orMessageSent) : orMessageSent(result)
      },
    }
  }

  /** @throws Refusal with the channel's own words when the payload lacks the token it needs. */
  function checkToken(channel: Channel, payload: unknown, response: unknown): void {
    if (!hasToken(channel, payload)) throw new Refusal(response)
  }

  return { on, checkToken }
}

/** Lets the events of one channel run at the same time: for those that queue their work in the order they are called. */
export function concurrently<State>(handler: EventHandler<State>): EventHandler<State> {
  return { ...handler, concurrent: true }
}

function orMessageSent(result: unknown): unknown {
  return result === undefined ? 'message_sent' : result
}
