import { followPresence, type PhoenixChannel, type PhoenixPresence } from './connection/phoenix.ts'
import { Emitter } from './emitter.ts'

/** What presence announces. */
export interface PresenceEvents {
  /** The ids of everyone who is online. */
  online: ReadonlySet<string>
}

/** Who is online. */
export class OnlineUsers extends Emitter<PresenceEvents> {
  #presence: PhoenixPresence | undefined

  /** The ids of everyone who is online. */
  get online(): ReadonlySet<string> {
    return new Set(this.#presence?.list((id) => id) ?? [])
  }

  /** Whether a user is online. */
  has(userId: string): boolean {
    return this.online.has(userId)
  }

  /** Follows a channel, instead of the one before. @internal */
  follow(channel: PhoenixChannel): void {
    const presence = followPresence(channel)
    this.#presence = presence
    presence.onSync(() => this.emit('online', this.online))
  }
}
