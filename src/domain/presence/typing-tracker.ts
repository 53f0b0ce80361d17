import type { Clock } from '../../clock.ts'
import type { PresenceChange, PresenceTracker } from './presence-tracker.ts'

/** A user who is typing in a group, such as a conversation or a room. */
export interface TypingParticipant {
  group: string
  userId: string
}

/** Publishes changes of who is typing. */
export interface TypingListener<T extends TypingParticipant> {
  /** Called on the user's own node. Notifies the group on all nodes. */
  typingChanged(participant: T, isTyping: boolean): void
  /** Called on every remaining node when the user's own node is gone. Notifies the group's subscribers on this node. */
  typingLost(participant: T): void
}

/** How long a user counts as typing after the latest start. */
const TYPING_TIMEOUT_MS = 60_000
const SWEEP_INTERVAL_MS = 1_000

interface Active<T> {
  participant: T
  until: number
  ref: string
}

/**
 * Tracks who is typing in which group. Publishes the end of typing also when the client never sends it, or when the node of
 * the client is gone.
 */
export class TypingTracker<T extends TypingParticipant> {
  readonly #clock: Clock
  readonly #tracker: PresenceTracker
  readonly #listener: TypingListener<T>
  /** The users who are typing on this node. */
  readonly #active = new Map<string, Active<T>>()
  readonly #stopSweeping: () => void

  constructor(clock: Clock, tracker: PresenceTracker, listener: TypingListener<T>) {
    this.#clock = clock
    this.#tracker = tracker
    this.#listener = listener
    tracker.onChange((change) => this.#endLost(change))
    this.#stopSweeping = clock.every(SWEEP_INTERVAL_MS, () => this.#sweep())
  }

  start(participant: T): void {
    const key = keyOf(participant)
    const until = this.#clock.now() + TYPING_TIMEOUT_MS
    const active = this.#active.get(key)
    if (active) active.until = until
    else {
      const ref = this.#tracker.track(participant.group, participant.userId, participant)
      this.#active.set(key, { participant, until, ref })
    }
    this.#listener.typingChanged(participant, true)
  }

  finish(participant: T): void {
    const active = this.#active.get(keyOf(participant))
    if (active) {
      this.#active.delete(keyOf(participant))
      this.#tracker.untrack(participant.group, active.ref)
    }
    this.#listener.typingChanged(participant, false)
  }

  /** Whether a user is typing on this node. */
  has(participant: TypingParticipant): boolean {
    return this.#active.has(keyOf(participant))
  }

  stop(): void {
    this.#stopSweeping()
  }

  #endLost({ group, leaves, isLoss }: PresenceChange): void {
    if (!isLoss) return
    const stillTyping = new Set([...this.#tracker.entries(group)].map(({ key }) => key))
    for (const { key, meta } of leaves) if (!stillTyping.has(key)) this.#listener.typingLost(meta as T)
  }

  #sweep(): void {
    const now = this.#clock.now()
    for (const { participant, until } of this.#active.values()) if (until <= now) this.finish(participant)
  }
}

function keyOf({ group, userId }: TypingParticipant): string {
  return `${group} ${userId}`
}
