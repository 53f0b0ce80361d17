import type { Clock } from '../clock.ts'
import type { Channel } from './channel.ts'
import type { PubSub, Subscriber } from './pubsub.ts'
import { type Meta, type PresenceState, Roster } from './roster.ts'

/** Diffs gather this long, so that many people who enter at once cost each client a few frames. */
const COALESCE_MS = 100

type Tracked = { topic: string; key: string; ref: string }

/** Who is in which topic, in the format that Phoenix's `Presence` client understands. */
export class Presence {
  readonly #pubsub: PubSub<Subscriber>
  readonly #clock: Clock
  readonly #rosters = new Map<string, Roster>()
  readonly #tracked = new Map<Channel, Tracked>()
  #nextRef = 1

  constructor(pubsub: PubSub<Subscriber>, clock: Clock) {
    this.#pubsub = pubsub
    this.#clock = clock
  }

  /**
   * Counts a channel as a presence of `key` in its topic. Asking twice is harmless.
   * @throws RangeError for a key that is a property of every object (`__proto__`): clients keep presences in one.
   */
  track(channel: Channel, key: string, meta: Record<string, unknown>): void {
    if (key in Object.prototype) throw new RangeError(`${key} cannot be the key of a presence`)
    if (this.#tracked.has(channel)) return
    const { topic } = channel
    const ref = this.#makeRef()
    this.#tracked.set(channel, { topic, key, ref })
    this.#change(topic, (roster) => roster.add(key, { ...meta, phx_ref: ref }))
  }

  /** Replaces the meta of a tracked channel. */
  update(channel: Channel, meta: Record<string, unknown>): void {
    const tracked = this.#tracked.get(channel)
    if (!tracked) return
    const { topic, key, ref: oldRef } = tracked
    tracked.ref = this.#makeRef()
    const successor: Meta = { ...meta, phx_ref: tracked.ref, phx_ref_prev: oldRef }
    this.#change(topic, (roster) => roster.update(key, oldRef, successor))
  }

  untrack(channel: Channel): void {
    const tracked = this.#tracked.get(channel)
    if (!tracked) return
    this.#tracked.delete(channel)
    this.#change(tracked.topic, (roster) => roster.remove(tracked.key, tracked.ref))
  }

  /** Everyone in a topic, as `presence_state` tells it. */
  list(topic: string): PresenceState {
    return this.#rosters.get(topic)?.state() ?? {}
  }

  #change(topic: string, apply: (roster: Roster) => void): void {
    let roster = this.#rosters.get(topic)
    if (!roster) {
      roster = new Roster()
      this.#rosters.set(topic, roster)
    }
    const isScheduled = roster.hasChanges
    apply(roster)
    if (!isScheduled) this.#clock.after(COALESCE_MS, () => this.#tell(topic, roster))
  }

  #tell(topic: string, roster: Roster): void {
    this.#pubsub.broadcast(topic, 'presence_diff', roster.takeDiff())
    if (roster.isEmpty) this.#rosters.delete(topic)
  }

  #makeRef(): string {
    return (this.#nextRef++).toString(36)
  }
}
