import type { Clock } from '../clock.ts'

/** A connection over which a long frame comes in. */
export interface LongFrame {
  readonly userId: string
  /** It has its place: the rest may come. */
  admit(): void
  /** It had its place for too long. */
  expire(): void
}

/** How long a frame may take to arrive and be stored. */
const PATIENCE_MS = 5 * 60_000

/**
 * Bounds the memory that long frames take: only so many come in at once, one of each user, and the others wait with their
 * senders. Who waited longest is next.
 */
export class RoomIntake {
  readonly #places: number
  readonly #clock: Clock
  readonly #waiting = new Set<LongFrame>()
  readonly #admitted = new Map<LongFrame, () => void>()
  readonly #users = new Set<string>()

  constructor(places: number, clock: Clock) {
    this.#places = places
    this.#clock = clock
  }

  /** Asks for a place. Without one, `admit` is called when there is. @returns whether there is one now. */
  enter(frame: LongFrame): boolean {
    if (this.#isFull || this.#users.has(frame.userId)) {
      this.#waiting.add(frame)
      return false
    }
    this.#take(frame)
    return true
  }

  /** Gives a place back, or wants none any more. */
  leave(frame: LongFrame): void {
    this.#waiting.delete(frame)
    const cancel = this.#admitted.get(frame)
    if (!cancel) return
    cancel()
    this.#admitted.delete(frame)
    this.#users.delete(frame.userId)
    this.#admitNext()
  }

  get #isFull(): boolean {
    return this.#admitted.size >= this.#places
  }

  #take(frame: LongFrame): void {
    this.#users.add(frame.userId)
    this.#admitted.set(
      frame,
      this.#clock.after(PATIENCE_MS, () => frame.expire()),
    )
  }

  #admitNext(): void {
    for (const frame of this.#waiting) {
      if (this.#isFull) return
      if (this.#users.has(frame.userId)) continue
      this.#waiting.delete(frame)
      this.#take(frame)
      frame.admit()
    }
  }
}
