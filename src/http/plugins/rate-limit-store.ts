import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import type { Clock } from '../../clock.ts'

interface Window {
  count: number
  endsAt: number
}

/** Keys one limiter remembers; beyond, the ones not seen for longest are forgotten. */
const MOST_KEYS = 25_000

/** A store class for `@fastify/rate-limit` that counts in fixed windows of the server's own clock, in bounded memory. */
export function clockStore(clock: Clock): FastifyRateLimitStoreCtor {
  return class ClockStore implements FastifyRateLimitStore {
    readonly #windows = new Map<string, Window>()

    incr(...[key, callback, timeWindow]: Parameters<FastifyRateLimitStore['incr']>): void {
      const now = clock.now()
      const known = this.#windows.get(key)
      const window = known && known.endsAt > now ? known : { count: 0, endsAt: now + timeWindow }
      window.count++
      this.#windows.delete(key)
      this.#windows.set(key, window)
      if (this.#windows.size > MOST_KEYS) this.#windows.delete(this.#windows.keys().next().value!)
      callback(null, { current: window.count, ttl: window.endsAt - now })
    }

    child(): FastifyRateLimitStore {
      return new ClockStore()
    }
  }
}
