import { Emitter } from './emitter.ts'
import type { SystemEvents } from './wire.ts'

/** What presence announces. */
export interface PresenceEvents {
  /** The ids of everyone who is online. */
  online: ReadonlySet<string>
}

/** Who is online. */
export class OnlineUsers extends Emitter<PresenceEvents> {
  /** The references of the connections of each user. */
  #connections = new Map<string, Set<string>>()

  /** The ids of everyone who is online. */
  get online(): ReadonlySet<string> {
    return new Set(this.#connections.keys())
  }

  /** Whether a user is online. */
  has(userId: string): boolean {
    return this.#connections.has(userId)
  }

  /** Takes `presence_state`. @internal */
  replace(state: SystemEvents['presence_state']): void {
    this.#connections = new Map()
    this.change({ joins: state, leaves: {} })
  }

  /** Takes `presence_diff`. @internal */
  change({ joins, leaves }: SystemEvents['presence_diff']): void {
    for (const [userId, { metas }] of Object.entries(joins)) {
      const connections = this.#connections.get(userId) ?? new Set()
      this.#connections.set(userId, connections)
      for (const { phx_ref } of metas) connections.add(phx_ref)
    }
    for (const [userId, { metas }] of Object.entries(leaves)) {
      const connections = this.#connections.get(userId)
      for (const { phx_ref } of metas) connections?.delete(phx_ref)
      if (connections?.size === 0) this.#connections.delete(userId)
    }
    this.emit('online', this.online)
  }
}
