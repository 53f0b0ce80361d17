import { LRUCache } from 'lru-cache'
import type { Clock } from '../../clock.ts'

/** The hits of a key in its window, and the milliseconds until the window ends. */
export interface Hits {
  hits: number
  remainingMs: number
}

/** Counts hits across all nodes. */
export interface SharedCounter {
  /** Counts a hit. @throws when the counter is not available. */
  hit(key: string, windowMs: number): Promise<Hits>
}

/** Maximum number of keys in memory. The least recently used are dropped. */
const MAX_KEYS = 25_000

/** Counts hits in fixed windows, in bounded memory. */
export class HitCounter {
  readonly #clock: Clock
  readonly #shared: SharedCounter | undefined
  readonly #windows = new LRUCache<string, { hits: number; endsAt: number }>({
    // Unlike `max`, it allocates nothing in advance: there are many counters, and most have few keys.
    maxSize: MAX_KEYS,
    sizeCalculation: () => 1,
  })

  /** @param shared counts across all nodes; undefined on a single node. */
  constructor(clock: Clock, shared?: SharedCounter) {
    this.#clock = clock
    this.#shared = shared
  }

  /** Counts a hit across all nodes, or on this node alone while the shared counter is not available. */
  async hit(key: string, windowMs: number): Promise<Hits> {
    try {
      if (this.#shared) return await this.#shared.hit(key, windowMs)
    } catch {
      // The backplane reports that Redis is not available.
    }
    return this.hitHere(key, windowMs)
  }

  /** Counts a hit on this node. */
  hitHere(key: string, windowMs: number): Hits {
    const now = this.#clock.now()
    const known = this.#windows.get(key)
    const window = known && known.endsAt > now ? known : { hits: 0, endsAt: now + windowMs }
    window.hits++
    this.#windows.set(key, window)
    return { hits: window.hits, remainingMs: window.endsAt - now }
  }
}
