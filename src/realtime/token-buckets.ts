import type { Clock } from '../clock.ts'

/** Sums of fractions of a millisecond are not exact: a thousand of them, added to the time since 1970, err by hundredths. */
const ROUNDING_MS = 0.1

/**
 * A token bucket per key: bursts of `capacity`, then `perSecond` in the long run. Kept as the generic cell rate
 * algorithm does (ITU-T I.371): one number per key, the time at which its bucket will be full again.
 */
export class TokenBuckets {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #toleranceMs: number
  readonly #fullAt = new Map<string, number>()

  constructor(capacity: number, perSecond: number, clock: Clock) {
    this.#clock = clock
    this.#intervalMs = 1000 / perSecond
    this.#toleranceMs = (capacity - 1) * this.#intervalMs + ROUNDING_MS
  }

  /** Takes one token. @returns 0, or the milliseconds until the next one when there is none. */
  take(key: string): number {
    const now = this.#clock.now()
    const fullAt = Math.max(this.#fullAt.get(key) ?? now, now)
    const wait = fullAt - now - this.#toleranceMs
    if (wait > 0) return Math.ceil(wait)
    this.#fullAt.set(key, fullAt + this.#intervalMs)
    return 0
  }

  /** Forgets the buckets that are full again. */
  sweep(): void {
    const now = this.#clock.now()
    for (const [key, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(key)
  }
}
