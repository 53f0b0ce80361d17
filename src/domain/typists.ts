import type { Clock } from '../clock.ts'
import type { Attendance, AttendanceChange } from './attendance.ts'

/** Someone who is typing somewhere. */
export interface Typist {
  place: string
  userId: string
}

/** How others learn of it. */
export interface TypingNews<T extends Typist> {
  /** Tells everyone in the place, on all nodes. */
  tell(typist: T, isTyping: boolean): void
  /** Tells those on this node that someone has stopped whose own node cannot: every other node does the same. */
  tellLost(typist: T): void
}

/** Someone who says nothing more for this long has stopped typing. */
const TYPING_MS = 60_000
const SWEEP_MS = 1_000

interface Active<T> {
  typist: T
  until: number
  ref: string
}

/**
 * Who is typing where, so that nobody types for ever: the end is told even if the client never says it, or the node it was
 * on is gone.
 */
export class Typists<T extends Typist> {
  readonly #clock: Clock
  readonly #attendance: Attendance
  readonly #news: TypingNews<T>
  /** Those who type on this node. */
  readonly #typists = new Map<string, Active<T>>()
  readonly #stopSweeping: () => void

  constructor(clock: Clock, attendance: Attendance, news: TypingNews<T>) {
    this.#clock = clock
    this.#attendance = attendance
    this.#news = news
    attendance.onChange((change) => this.#follow(change))
    this.#stopSweeping = clock.every(SWEEP_MS, () => this.#sweep())
  }

  start(typist: T): void {
    const key = keyOf(typist)
    const until = this.#clock.now() + TYPING_MS
    const active = this.#typists.get(key)
    if (active) active.until = until
    else {
      const ref = this.#attendance.track(typist.place, typist.userId, typist)
      this.#typists.set(key, { typist, until, ref })
    }
    this.#news.tell(typist, true)
  }

  finish(typist: T): void {
    const active = this.#typists.get(keyOf(typist))
    if (active) {
      this.#typists.delete(keyOf(typist))
      this.#attendance.untrack(typist.place, active.ref)
    }
    this.#news.tell(typist, false)
  }

  /** Whether this is someone on this node whose end of typing is still to be told. */
  has(typist: Typist): boolean {
    return this.#typists.has(keyOf(typist))
  }

  stop(): void {
    this.#stopSweeping()
  }

  #follow({ group, leaves, isLoss }: AttendanceChange): void {
    if (!isLoss) return
    const others = new Set([...this.#attendance.entries(group)].map(({ key }) => key))
    for (const { key, meta } of leaves) if (!others.has(key)) this.#news.tellLost(meta as T)
  }

  #sweep(): void {
    const now = this.#clock.now()
    for (const { typist, until } of this.#typists.values()) if (until <= now) this.finish(typist)
  }
}

function keyOf({ place, userId }: Typist): string {
  return `${place} ${userId}`
}
