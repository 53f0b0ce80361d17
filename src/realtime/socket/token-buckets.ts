import type { Clock } from '../../clock.ts'

/** Sums of fractional milliseconds are inexact: adding a thousand of them to a Unix time errs by hundredths. */
const ROUNDING_MS = 0.1

/**
 * A token bucket per key: bursts of `capacity`, then `perSecond`. Implements the generic cell rate algorithm (ITU-T I.371),
 * which stores one number per key: the time at which its bucket is full again.
 */
export class TokenBuckets<Key = string> {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #toleranceMs: number
  readonly #fullAt = new Map<Key, number>()

  constructor(capacity: number, perSecond: number, clock: Clock) {
    this.#clock = clock
    this.#intervalMs = 1000 / perSecond
    this.#toleranceMs = (capacity - 1) * this.#intervalMs + ROUNDING_MS
  }

  /** Takes all of the tokens, or none. @returns 0, or the milliseconds until enough tokens are available. */
  take(key: Key, tokens = 1): number {
    const now = this.#clock.now()
    const fullAt = Math.max(this.#fullAt.get(key) ?? now, now) + (tokens - 1) * this.#intervalMs
    const delay = fullAt - now - this.#toleranceMs
    if (delay > 0) return Math.ceil(delay)
    this.#fullAt.set(key, fullAt + this.#intervalMs)
    return 0
  }

  /**
   * Takes one token, in advance if the bucket is empty.
   * @returns the milliseconds until the token is available; undefined, without taking it, if these exceed `maxDelayMs`.
   */
  reserve(key: Key, maxDelayMs: number): number | undefined {
    const now = this.#clock.now()
    const fullAt = Math.max(this.#fullAt.get(key) ?? now, now)
    const delay = Math.max(0, Math.ceil(fullAt - now - this.#toleranceMs))
    if (delay > maxDelayMs) return undefined
    this.#fullAt.set(key, fullAt + this.#intervalMs)
    return delay
  }

  /** Takes tokens whether or not the bucket holds them. The next `take` waits for the missing ones. */
  charge(key: Key, tokens: number): void {
    const now = this.#clock.now()
    const fullAt = Math.max(this.#fullAt.get(key) ?? now, now)
    if (tokens > 0) this.#fullAt.set(key, fullAt + tokens * this.#intervalMs)
  }

  /** Removes the buckets that are full. */
  sweep(): void {
    const now = this.#clock.now()
    for (const [key, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(key)
  }
}
