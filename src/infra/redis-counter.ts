import type { RedisBackplane } from './redis-backplane.ts'

/** Starts a window with its first hit. Returns the number of hits and the remaining milliseconds of the window. */
const HIT = `
local hits = redis.call('incr', KEYS[1])
if hits == 1 then redis.call('pexpire', KEYS[1], ARGV[1]) end
return {hits, redis.call('pttl', KEYS[1])}`

/** Counts hits in fixed windows across all nodes. */
export class RedisCounter {
  readonly #redis: Pick<RedisBackplane, 'eval'>

  constructor(redis: Pick<RedisBackplane, 'eval'>) {
    this.#redis = redis
  }

  /** Counts a hit. @throws when Redis cannot be reached. */
  async hit(key: string, windowMs: number): Promise<{ hits: number; remainingMs: number }> {
    const answer = await this.#redis.eval(HIT, `hits:${key}`, [String(windowMs)])
    const [hits, remainingMs] = answer as [number, number]
    return { hits, remainingMs }
  }
}
