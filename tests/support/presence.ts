import { EncodedJson } from '../../src/protocol/messages.ts'
import type { Presence } from '../../src/realtime/pubsub/presence.ts'
import type { PresenceStatePayload } from '../../src/realtime/pubsub/presence-state.ts'

/** The presence state of a topic, as a client that joins now receives it. */
export function readPresence(presence: Presence, topic: string): PresenceStatePayload {
  let state: PresenceStatePayload = {}
  presence.pushState({
    topic,
    push: (_event, payload) => {
      if (payload instanceof EncodedJson) state = JSON.parse(payload.text)
    },
  })
  return state
}
