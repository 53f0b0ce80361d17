import { type TypingParticipant, TypingTracker } from '../../domain/presence/typing-tracker.ts'
import { Tracker } from '../../realtime/cluster/tracker.ts'
import type { Channel } from '../../realtime/socket/channel.ts'
import type { Endpoint } from '../../realtime/socket/endpoint.ts'

/** Broadcasts who is typing in a conversation. Nothing of it is stored. */
export class TypingIndicators {
  readonly #endpoint: Endpoint
  readonly #tracker: TypingTracker<TypingParticipant>

  constructor(endpoint: Endpoint) {
    const { clock, nodes, pubsub } = endpoint
    this.#endpoint = endpoint
    this.#tracker = new TypingTracker(clock, new Tracker('typing', nodes, clock), {
      typingChanged({ group, userId }, isTyping) {
        pubsub.broadcast(group, isTyping ? 'start_typing' : 'finish_typing', { user_id: userId })
      },
      typingLost: ({ group, userId }) => pubsub.broadcastLocally(group, 'finish_typing', { user_id: userId }),
    })
  }

  start(channel: Channel): void {
    this.#tracker.start(participantOf(channel))
  }

  finish(channel: Channel): void {
    this.#tracker.finish(participantOf(channel))
  }

  /** Ends the typing of a user when their last channel of the topic on this node closes. */
  left(gone: Channel): void {
    if (!this.#tracker.has(participantOf(gone))) return
    for (const channel of this.#endpoint.pubsub.subscribers(gone.topic)) {
      if (channel.userId === gone.userId) return
    }
    this.#tracker.finish(participantOf(gone))
  }

  stop(): void {
    this.#tracker.stop()
  }
}

function participantOf({ topic, userId }: Channel): TypingParticipant {
  return { group: topic, userId }
}
