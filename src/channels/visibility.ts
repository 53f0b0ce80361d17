import { Channel } from '../realtime/channel.ts'
import type { Endpoint } from '../realtime/endpoint.ts'
import { SYSTEM_TOPIC } from './topics.ts'

/** Who is shown as online: presence on `system:general`, less those who hide. */
export class Visibility {
  readonly #endpoint: Endpoint
  /** What users asked for while a channel of theirs was joining: newer than what the join read. */
  readonly #asked = new WeakMap<Channel, boolean>()
  /** When channels have joined, where other nodes may tell later what was asked for before. */
  readonly #joinedAt = new WeakMap<Channel, number>()

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
  }

  /** A channel has joined: shows it unless hidden, and tells it who is there. */
  joined(channel: Channel, hidden: boolean): void {
    const { clock, nodes } = this.#endpoint
    if (!nodes.backplane.isAlone) this.#joinedAt.set(channel, clock.now())
    if (!(this.#asked.get(channel) ?? hidden)) this.#track(channel)
    this.#endpoint.presence.pushState(channel)
  }

  left(channel: Channel): void {
    this.#endpoint.presence.untrack(channel)
  }

  /** Hides or shows all sockets of a user. */
  setHidden(userId: string, hidden: boolean): void {
    for (const channel of this.#channelsOf(userId)) {
      if (channel.isJoined) this.#show(channel, !hidden)
      else this.#asked.set(channel, hidden)
    }
  }

  /** The same for what was asked for a while ago: a channel that has joined since knew of it, or was told otherwise by its client. */
  setHiddenSince(askedAt: number, userId: string, hidden: boolean): void {
    for (const channel of this.#channelsOf(userId)) {
      if ((this.#joinedAt.get(channel) ?? Number.POSITIVE_INFINITY) <= askedAt) this.#show(channel, !hidden)
    }
  }

  *#channelsOf(userId: string): Iterable<Channel> {
    for (const channel of this.#endpoint.pubsub.subscribers(SYSTEM_TOPIC)) {
      if (channel instanceof Channel && channel.userId === userId) yield channel
    }
  }

  #show(channel: Channel, isShown: boolean): void {
    if (isShown) this.#track(channel)
    else this.#endpoint.presence.untrack(channel)
  }

  #track(channel: Channel): void {
    const seconds = Math.floor(this.#endpoint.clock.now() / 1000)
    this.#endpoint.presence.track(channel, channel.userId, { online_at: String(seconds) })
  }
}
