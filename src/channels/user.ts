import { defineChannel, Refusal } from '../realtime/definition.ts'
import type { ChannelContext } from './context.ts'

const UNAUTHORIZED = { reason: 'unauthorized' }

/** `user:<id>` — what is meant for one user; only they may listen. */
export function userChannel({ guard }: ChannelContext) {
  return defineChannel<null>({
    pattern: 'user:*',
    join(channel, id, payload) {
      guard.checkToken(channel, payload, UNAUTHORIZED)
      if (id !== channel.userId) throw new Refusal(UNAUTHORIZED, true)
      return { state: null }
    },
    events: {},
  })
}
