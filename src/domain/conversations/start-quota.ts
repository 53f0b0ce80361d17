import { AppError } from '../../errors.ts'
import type { HitCounter } from '../security/hit-counter.ts'

/** Limits per user. New users start many conversations at once, so the short window allows a burst. */
const LIMITS = [
  { windowMs: 60_000, starts: 60 },
  { windowMs: 3_600_000, starts: 300 },
]

/** Limits how many conversations a user starts. */
export class StartQuota {
  readonly #counter: Pick<HitCounter, 'hit'>

  constructor(counter: Pick<HitCounter, 'hit'>) {
    this.#counter = counter
  }

  /** Counts one more start. @throws AppError `rate_limited` */
  async take(userId: string): Promise<void> {
    for (const { windowMs, starts } of LIMITS) {
      const key = `conversation starts ${windowMs} ${userId}`
      const { hits, remainingMs } = await this.#counter.hit(key, windowMs)
      if (hits > starts) throw new AppError('rate_limited', { retryAfterMs: Math.max(remainingMs, 1) })
    }
  }
}
