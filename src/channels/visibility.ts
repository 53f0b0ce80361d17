import { Channel } from '../realtime/channel.ts'
import type { Endpoint } from '../realtime/endpoint.ts'
import { SYSTEM_TOPIC } from './topics.ts'

/** Who is shown as online: presence on `system:general`, less those who hide. */
export class Visibility {
  readonly #endpoint: Endpoint
  /** What users asked for while a channel of theirs was joining: newer than what the join read. */
  readonly #asked = new WeakMap<Channel, boolean>()

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  /** A channel has joined: shows it unless hidden, and tells it who is there. */
  joined(channel: Channel, hidden: boolean): void {
    if (!(this.#asked.get(channel) ?? hidden)) this.#track(channel)
    this.#endpoint.presence.pushState(channel)
  }

  left(channel: Channel): void {
    this.#endpoint.presence.untrack(channel)
  }

  /** Hides or shows all sockets of a user. */
  setHidden(userId: string, hidden: boolean): void {
    for (const channel of this.#endpoint.pubsub.subscribers(SYSTEM_TOPIC)) {
      if (!(channel instanceof Channel) || channel.userId !== userId) continue
      if (!channel.isJoined) this.#asked.set(channel, hidden)
      else if (hidden) this.#endpoint.presence.untrack(channel)
      else this.#track(channel)
    }
  }

  #track(channel: Channel): void {
    const seconds = Math.floor(this.#endpoint.clock.now() / 1000)
    this.#endpoint.presence.track(channel, channel.userId, { online_at: String(seconds) })
  }
}
