import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Clock } from '../../clock.ts'
import { HitCounter, type SharedCounter } from '../../domain/security/hit-counter.ts'
import { AppError } from '../../errors.ts'

/** A hook that counts a request. @throws AppError `rate_limited`. */
export type RateLimit = (request: FastifyRequest) => Promise<void>

/** Counts one hit of a key. @throws AppError `rate_limited` when the key exceeds the limit. */
export type Limit = (key: string) => Promise<void>

interface LimitOptions {
  /** Hits per key and window. */
  max: number
  /** Defaults to a minute. */
  windowMs?: number
  /** Counts on each node separately. Other limits hold over all nodes. */
  perNode?: boolean
}

export const MINUTE_MS = 60_000

/** Makes named limits. Each has its own bounded memory, so that a flood of keys in one cannot evict those of another. */
export class Limiter {
  readonly #clock: Clock
  readonly #shared: SharedCounter | undefined

  /** @param shared counts over all nodes; absent on a single node. */
  constructor(clock: Clock, shared: SharedCounter | undefined) {
    this.#clock = clock
    this.#shared = shared
  }

  limit(name: string, { max, windowMs = MINUTE_MS, perNode = false }: LimitOptions): Limit {
    const shared = perNode ? undefined : this.#shared
    const counter = new HitCounter(this.#clock, shared)
    return async (key) => {
      const { hits, remainingMs } = await counter.hit(shared ? digest(`${name} ${key}`) : key, windowMs)
      if (hits > max) throw new AppError('rate_limited', { retryAfterMs: remainingMs })
    }
  }
}

/** Keys contain emails and network addresses, which are not stored in Redis in plain text. */
function digest(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}
