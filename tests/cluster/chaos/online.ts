import { type Channel, Presence } from 'phoenix'
import type { Json } from '../../support/phoenix.ts'

/**
 * Who is online, as one channel is told. It does not use the official client's own list, which applies a change that came
 * before a join was given up to the state that comes after the next: only its rules for the two events.
 */
export class Online {
  #state: Json = {}
  #isKnown = false

  constructor(channel: Channel) {
    channel.on('presence_state', (state) => {
      this.#state = Presence.syncState(this.#state, state)
      this.#isKnown = true
    })
    channel.on('presence_diff', (diff) => {
      // One that comes before the state is in it.
      if (this.#isKnown) this.#state = Presence.syncDiff(this.#state, diff)
    })
    channel.onError(() => this.disconnected())
  }

  /** The connection is gone: the state will be told anew. */
  disconnected(): void {
    this.#isKnown = false
  }

  /** The number of connections of each user. */
  get counts(): Record<string, number> {
    const entries = Object.entries<Json>(this.#state).map(([id, { metas }]) => [id, metas.length])
    return Object.fromEntries(entries)
  }
}
