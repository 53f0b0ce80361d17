import { createHash } from 'node:crypto'
import type { FastifyRateLimitStore, FastifyRateLimitStoreCtor } from '@fastify/rate-limit'
import type { Clock } from '../../clock.ts'

/** Counts hits over all nodes. */
export interface SharedCounter {
  /** One more hit of a key in its window. @throws when it cannot be counted. */
  hit(key: string, windowMs: number): Promise<{ hits: number; remainingMs: number }>
}

interface Window {
  count: number
  endsAt: number
}

type Callback = Parameters<FastifyRateLimitStore['incr']>[1]

/** Keys one limiter remembers; beyond, the ones not seen for longest are forgotten. */
const MOST_KEYS = 25_000

/** Starts the keys of limits that hold over all nodes. */
const SHARED = 'all nodes '

/** The key of a limit that holds over all nodes; `limit` names it there. */
export function sharedKey(limit: string, key: string): string {
  return `${SHARED}${limit} ${key}`
}

/**
 * A store class for `@fastify/rate-limit` that counts in fixed windows of the server's own clock, in bounded memory; a `sharedKey`
 * over all nodes, where there is a shared counter, and on this one while that fails.
 */
export function windowStore(clock: Clock, shared?: SharedCounter): FastifyRateLimitStoreCtor {
  return class WindowStore implements FastifyRateLimitStore {
    readonly #windows = new Map<string, Window>()

    incr(key: string, callback: Callback, windowMs: number): void {
      if (!shared || !key.startsWith(SHARED)) return callback(null, this.#count(key, windowMs))
      shared.hit(digest(key), windowMs).then(
        ({ hits, remainingMs }) => callback(null, { current: hits, ttl: remainingMs }),
        () => callback(null, this.#count(key, windowMs)),
      )
    }

    child(): FastifyRateLimitStore {
      return new WindowStore()
    }

    #count(key: string, windowMs: number): { current: number; ttl: number } {
      const now = clock.now()
      const known = this.#windows.get(key)
      const window = known && known.endsAt > now ? known : { count: 0, endsAt: now + windowMs }
      window.count++
      this.#windows.delete(key)
      this.#windows.set(key, window)
      if (this.#windows.size > MOST_KEYS) this.#windows.delete(this.#windows.keys().next().value!)
      return { current: window.count, ttl: window.endsAt - now }
    }
  }
}

/** Keys are addresses of people and machines, which are nobody's business elsewhere. */
function digest(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}
