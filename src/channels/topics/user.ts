import { defineChannel, Refusal } from '../../realtime/index.ts'
import type { ChannelContext } from './context.ts'

const UNAUTHORIZED = { reason: 'unauthorized' }

/** `user:<id>` — events for one user, who alone may join. */
export function userChannel({ guard }: ChannelContext) {
  return defineChannel({
    pattern: 'user:*',
    join(channel, id, payload) {
      guard.checkToken(channel, payload, UNAUTHORIZED)
      if (id !== channel.userId) throw new Refusal(UNAUTHORIZED, { permanent: true, denied: 'unauthorized' })
    },
  })
}
