import { type Channel, Presence } from 'phoenix'
import type { Json } from '../../support/phoenix.ts'

/**
 * The presence list of a channel. It uses `syncState` and `syncDiff` of the official client, but not its `Presence` class, which
 * applies a diff that was received before an abandoned join to the state of the next join.
 */
export class PresenceList {
  #state: Json = {}
  #isKnown = false

  constructor(channel: Channel) {
    channel.on('presence_state', (state) => {
      this.#state = Presence.syncState(this.#state, state)
      this.#isKnown = true
    })
    channel.on('presence_diff', (diff) => {
      // A diff that arrives before the state is already included in it.
      if (this.#isKnown) this.#state = Presence.syncDiff(this.#state, diff)
    })
    channel.onError(() => this.disconnected())
  }

  /** The connection was lost. The next join sends a new state. */
  disconnected(): void {
    this.#isKnown = false
  }

  /** The number of connections of each user. */
  get counts(): Record<string, number> {
    const entries = Object.entries<Json>(this.#state).map(([id, { metas }]) => [id, metas.length])
    return Object.fromEntries(entries)
  }
}
