import { type Typist, Typists } from '../domain/typists.ts'
import type { Channel } from '../realtime/channel.ts'
import type { Endpoint } from '../realtime/endpoint.ts'
import { Tracker } from '../realtime/tracker.ts'

/** Who is typing in which conversation. */
export class Typing {
  readonly #endpoint: Endpoint
  readonly #typists: Typists<Typist>

  constructor(endpoint: Endpoint) {
    const { clock, nodes, pubsub } = endpoint
    this.#endpoint = endpoint
    this.#typists = new Typists(clock, new Tracker('typing', nodes, clock), {
      tell({ place, userId }, isTyping) {
        pubsub.broadcast(place, isTyping ? 'start_typing' : 'finish_typing', { user_id: userId })
      },
      tellLost: ({ place, userId }) => pubsub.broadcastHere(place, 'finish_typing', { user_id: userId }),
    })
  }

  start(channel: Channel): void {
    this.#typists.start(typistOf(channel))
  }

  finish(channel: Channel): void {
    this.#typists.finish(typistOf(channel))
  }

  /** A channel is gone: if it was the user's last in the topic, they have stopped typing. */
  left(gone: Channel): void {
    if (!this.#typists.has(typistOf(gone))) return
    for (const channel of this.#endpoint.pubsub.subscribers(gone.topic)) {
      if (channel.userId === gone.userId) return
    }
    this.#typists.finish(typistOf(gone))
  }

  stop(): void {
    this.#typists.stop()
  }
}

function typistOf({ topic, userId }: Channel): Typist {
  return { place: topic, userId }
}
