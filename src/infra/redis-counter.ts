import type { RedisBackplane } from './redis-backplane.ts'

/** The window begins with its first hit. Returns the hits, and the milliseconds that are left of it. */
const HIT = `
local hits = redis.call('incr', KEYS[1])
if hits == 1 then redis.call('pexpire', KEYS[1], ARGV[1]) end
return {hits, redis.call('pttl', KEYS[1])}`

/** Counts hits in fixed windows, over all nodes. */
export class RedisCounter {
  readonly #redis: Pick<RedisBackplane, 'eval'>

  constructor(redis: Pick<RedisBackplane, 'eval'>) {
    this.#redis = redis
  }

  /** One more hit. @throws when Redis cannot be reached. */
  async hit(key: string, windowMs: number): Promise<{ hits: number; remainingMs: number }> {
    const answer = await this.#redis.eval(HIT, `hits:${key}`, [String(windowMs)])
    const [hits, remainingMs] = answer as [number, number]
    return { hits, remainingMs }
  }
}
