import type { Static, TSchema } from 'typebox'
import { payloadCheck } from '../../input/validation.ts'
import { type Channel, type EventHandler, type JoiningChannel, Refusal } from '../../realtime/index.ts'

/** Checks payloads and tokens; see `createGuard`. */
export type Guard = ReturnType<typeof createGuard>

/** Whether a payload passes the token check. */
type TokenPredicate = (channel: JoiningChannel, payload: unknown) => boolean

type Handler<State, Schema extends TSchema> = (channel: Channel<State>, payload: Static<Schema>) => unknown

/**
 * Creates the checks that precede every event and join. `on` wraps an event handler: it checks the token, then validates the
 * payload. `checkToken` checks the token of a join. The reply to an event whose handler returns undefined is `message_sent`.
 */
export function createGuard(hasToken: TokenPredicate) {
  function on<State, Schema extends TSchema>(
    schema: Schema,
    handler: Handler<State, Schema>,
  ): EventHandler<State> {
    const check = payloadCheck(schema)
    return {
      handle(channel, payload) {
        if (!hasToken(channel, payload)) throw new Refusal('invalid_token')
        const result = handler(channel, check(payload))
        return result instanceof Promise ? result.then(orMessageSent) : orMessageSent(result)
      },
    }
  }

  /** @throws Refusal with `response` when the token check fails. */
  function checkToken(channel: JoiningChannel, payload: unknown, response: unknown): void {
    if (!hasToken(channel, payload)) throw new Refusal(response)
  }

  return { on, checkToken }
}

/** Marks an event that may run while earlier events of its channel still run. Its handler must queue its work in call order. */
export function concurrently<State>(handler: EventHandler<State>): EventHandler<State> {
  return { ...handler, concurrent: true }
}

function orMessageSent(result: unknown): unknown {
  return result === undefined ? 'message_sent' : result
}
