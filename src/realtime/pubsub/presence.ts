import type { Clock } from '../../clock.ts'
import { EncodedJson } from '../../protocol/messages.ts'
import type { Entry, GroupChange, Tracker } from '../cluster/tracker.ts'
import { type Meta, PresenceState, type PresenceStatePayload } from './presence-state.ts'
import type { PubSub } from './pubsub.ts'

/** A subscriber that can be present in its topic. */
export interface PresentChannel {
  readonly topic: string
  /** Sends an event to this channel's client only. */
  push(event: string, payload: unknown): void
}

/** Minimum time that changes are collected into one diff, so that many simultaneous joins cost each client few frames. */
const MIN_COALESCE_MS = 50
/** The time grows with the square of the number of users, because each of them receives each change. */
const COALESCE_MS_PER_PAIR = 1 / 2_500
const MAX_COALESCE_MS = 1_000

/** Who is present in which topic on all nodes, in the format of Phoenix's `Presence` client. */
export class Presence {
  readonly #pubsub: PubSub
  readonly #clock: Clock
  readonly #tracker: Tracker
  readonly #states = new Map<string, PresenceState>()
  /** The tracker refs of the channels that are present. */
  readonly #refs = new Map<PresentChannel, string>()

  constructor(pubsub: PubSub, tracker: Tracker, clock: Clock) {
    this.#pubsub = pubsub
    this.#clock = clock
    this.#tracker = tracker
    tracker.onChange((change) => this.#apply(change))
  }

  /**
   * Makes a channel a presence of `key` in its topic. Idempotent.
   * @throws RangeError for a key that every object inherits (`__proto__`): clients store presences in a plain object.
   */
  track(channel: PresentChannel, key: string, meta: Record<string, unknown>): void {
    if (key in Object.prototype) throw new RangeError(`${key} cannot be the key of a presence`)
    if (this.#refs.has(channel)) return
    this.#refs.set(channel, this.#tracker.track(channel.topic, key, meta))
  }

  /** Replaces the meta of a channel that is present. */
  update(channel: PresentChannel, meta: Record<string, unknown>): void {
    const ref = this.#refs.get(channel)
    const entry = ref === undefined ? undefined : this.#tracker.find(channel.topic, ref)
    if (!entry) return
    this.untrack(channel)
    this.track(channel, entry.key, meta)
  }

  untrack(channel: PresentChannel): void {
    const ref = this.#refs.get(channel)
    if (ref === undefined) return
    this.#refs.delete(channel)
    this.#tracker.untrack(channel.topic, ref)
  }

  /** Who is present in a topic on all nodes. */
  list(topic: string): PresenceStatePayload {
    return JSON.parse(this.#states.get(topic)?.stateJson() ?? '{}')
  }

  /** Pushes the `presence_state` of a channel's topic to its client. Phoenix's client ignores diffs that come before it. */
  pushState(channel: PresentChannel): void {
    const json = this.#states.get(channel.topic)?.stateJson() ?? '{}'
    channel.push('presence_state', new EncodedJson(json))
  }

  #apply({ group: topic, joins, leaves }: GroupChange): void {
    let state = this.#states.get(topic)
    if (!state) {
      state = new PresenceState()
      this.#states.set(topic, state)
    }
    const isScheduled = state.hasChanges
    for (const entry of joins) state.add(entry.key, metaOf(entry))
    for (const { key, ref } of leaves) state.remove(key, ref)
    if (isScheduled || !state.hasChanges) return
    const delay = Math.min(MIN_COALESCE_MS + state.size ** 2 * COALESCE_MS_PER_PAIR, MAX_COALESCE_MS)
    this.#clock.after(delay, () => this.#broadcastDiff(topic, state))
  }

  #broadcastDiff(topic: string, state: PresenceState): void {
    this.#pubsub.broadcastLocally(topic, 'presence_diff', state.takeDiff())
    if (state.size === 0) this.#states.delete(topic)
  }
}

function metaOf({ ref, meta }: Entry): Meta {
  return { ...(meta as object), phx_ref: ref }
}
