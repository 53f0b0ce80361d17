import type { Clock } from '../clock.ts'
import { EncodedJson } from '../protocol/messages.ts'
import type { Channel } from './channel.ts'
import type { PubSub, Subscriber } from './pubsub.ts'
import { type Meta, type PresenceState, Roster } from './roster.ts'
import type { Entry, GroupChange, Tracker } from './tracker.ts'

/** Diffs gather at least this long, so that many people who enter at once cost each client a few frames. */
const COALESCE_MS = 50
/** With more people they gather longer, by the square: each is told of each. */
const COALESCE_MS_PER_PAIR = 1 / 2_500
const COALESCE_MOST_MS = 1_000

interface Tracked {
  topic: string
  ref: string
}

/** Who is in which topic, on all nodes, in the format that Phoenix's `Presence` client understands. */
export class Presence {
  readonly #pubsub: PubSub<Subscriber>
  readonly #clock: Clock
  readonly #tracker: Tracker
  readonly #rosters = new Map<string, Roster>()
  readonly #tracked = new Map<Channel, Tracked>()

  constructor(pubsub: PubSub<Subscriber>, tracker: Tracker, clock: Clock) {
    this.#pubsub = pubsub
    this.#clock = clock
    this.#tracker = tracker
    tracker.onChange((change) => this.#follow(change))
  }

  /**
   * Counts a channel as a presence of `key` in its topic. Asking twice is harmless.
   * @throws RangeError for a key that is a property of every object (`__proto__`): clients keep presences in one.
   */
  track(channel: Channel, key: string, meta: Record<string, unknown>): void {
    if (key in Object.prototype) throw new RangeError(`${key} cannot be the key of a presence`)
    if (this.#tracked.has(channel)) return
    const { topic } = channel
    this.#tracked.set(channel, { topic, ref: this.#tracker.track(topic, key, meta) })
  }

  /** Replaces the meta of a tracked channel. */
  update(channel: Channel, meta: Record<string, unknown>): void {
    const tracked = this.#tracked.get(channel)
    if (!tracked) return
    const { topic, ref } = tracked
    tracked.ref = this.#tracker.update(topic, ref, { ...meta, phx_ref_prev: ref })
  }

  untrack(channel: Channel): void {
    const tracked = this.#tracked.get(channel)
    if (!tracked) return
    this.#tracked.delete(channel)
    this.#tracker.untrack(tracked.topic, tracked.ref)
  }

  /** Everyone in a topic, as `presence_state` tells it. */
  list(topic: string): PresenceState {
    return this.#rosters.get(topic)?.state() ?? {}
  }

  /** Tells a channel who is there: the first thing Phoenix's client waits for. */
  pushState(channel: Channel): void {
    const json = this.#rosters.get(channel.topic)?.stateJson() ?? '{}'
    channel.push('presence_state', new EncodedJson(json))
  }

  #follow({ group: topic, joins, leaves }: GroupChange): void {
    let roster = this.#rosters.get(topic)
    if (!roster) {
      roster = new Roster()
      this.#rosters.set(topic, roster)
    }
    const isScheduled = roster.hasChanges
    for (const entry of joins) roster.add(entry.key, metaOf(entry))
    for (const { key, ref } of leaves) roster.remove(key, ref)
    if (isScheduled || !roster.hasChanges) return
    const wait = Math.min(COALESCE_MS + roster.size ** 2 * COALESCE_MS_PER_PAIR, COALESCE_MOST_MS)
    this.#clock.after(wait, () => this.#tell(topic, roster))
  }

  #tell(topic: string, roster: Roster): void {
    this.#pubsub.broadcastHere(topic, 'presence_diff', roster.takeDiff())
    if (roster.size === 0) this.#rosters.delete(topic)
  }
}

function metaOf({ ref, meta }: Entry): Meta {
  return { ...(meta as object), phx_ref: ref }
}
