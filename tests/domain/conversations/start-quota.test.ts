import { expect, it } from 'vitest'
import { StartQuota } from '../../../src/domain/conversations/start-quota.ts'
import { HitCounter, type SharedCounter } from '../../../src/domain/security/hit-counter.ts'
import { ManualClock } from '../../support/clock.ts'

const MINUTE_MS = 60_000

/** How many of so many starts are let through. */
async function started(quota: StartQuota, count: number, userId = 'ann'): Promise<number> {
  let allowed = 0
  for (let n = 0; n < count; n++) {
    if ((await quota.take(userId).catch((error) => error)) === undefined) allowed++
  }
  return allowed
}

it('allows 60 conversations a minute and 300 an hour, to each user', async () => {
  const clock = new ManualClock()
  const quota = new StartQuota(new HitCounter(clock))
  expect(await started(quota, 100)).toBe(60)
  expect(await started(quota, 1, 'bob')).toBe(1)
  const perMinute: number[] = []
  for (let minute = 1; minute <= 6; minute++) {
    clock.advance(MINUTE_MS)
    perMinute.push(await started(quota, 100))
  }
  expect(perMinute).toEqual([60, 60, 60, 60, 0, 0])
  clock.advance(54 * MINUTE_MS)
  expect(await started(quota, 100)).toBe(60)
})

it('returns the delay until the next start is allowed', async () => {
  const clock = new ManualClock()
  const quota = new StartQuota(new HitCounter(clock))
  clock.advance(1)
  await started(quota, 60)
  clock.advance(20_000)
  await expect(quota.take('ann')).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 40_000 })
})

it('counts across all nodes, and per node while the shared counter is unavailable', async () => {
  const clock = new ManualClock()
  const counter = countingTogether()
  const nodes = [1, 2].map(() => new StartQuota(new HitCounter(clock, counter)))
  expect(await started(nodes[0]!, 40)).toBe(40)
  expect(await started(nodes[1]!, 40)).toBe(20)
  counter.isAway = true
  expect(await started(nodes[1]!, 100)).toBe(60)
})

/** Counts as Redis does, but that its windows do not end. */
function countingTogether(): SharedCounter & { isAway: boolean } {
  const hits = new Map<string, number>()
  return {
    isAway: false,
    async hit(key, windowMs) {
      if (this.isAway) throw new Error('away')
      hits.set(key, (hits.get(key) ?? 0) + 1)
      return { hits: hits.get(key) as number, remainingMs: windowMs }
    },
  }
}
