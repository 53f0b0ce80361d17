import { expect, it } from 'vitest'
import { TokenBuckets } from '../../../src/realtime/socket/token-buckets.ts'
import { ManualClock } from '../../support/clock.ts'

it('allows a burst, then returns the delay until the next token', () => {
  const clock = new ManualClock()
  const buckets = new TokenBuckets(3, 2, clock)
  expect([1, 2, 3].map(() => buckets.take('ann'))).toEqual([0, 0, 0])
  expect(buckets.take('ann')).toBe(500)
  expect(buckets.take('bob')).toBe(0)
  clock.advance(499)
  expect(buckets.take('ann')).toBe(1)
  clock.advance(1)
  expect(buckets.take('ann')).toBe(0)
})

it.each([
  [300, 60],
  [1_100, 60],
])('allows a burst of exactly %i', (capacity, perSecond) => {
  const clock = new ManualClock()
  const buckets = new TokenBuckets(capacity, perSecond, clock)
  const count = () =>
    Array.from({ length: capacity + 10 }, () => buckets.take('ann')).filter((ms) => ms === 0).length
  expect(count()).toBe(capacity)
  clock.advance(1_000)
  expect(count()).toBe(perSecond)
})

it('never holds more tokens than its capacity', () => {
  const clock = new ManualClock()
  const buckets = new TokenBuckets(2, 10, clock)
  buckets.take('ann')
  clock.advance(60_000)
  expect([buckets.take('ann'), buckets.take('ann')]).toEqual([0, 0])
  expect(buckets.take('ann')).toBeGreaterThan(0)
})

it('removes full buckets, and no others', () => {
  const clock = new ManualClock()
  const buckets = new TokenBuckets(2, 1, clock)
  buckets.take('ann')
  clock.advance(1_500)
  buckets.take('bob')
  buckets.take('bob')
  clock.advance(500)
  buckets.sweep()
  expect(buckets.take('bob')).toBeGreaterThan(0)
  expect([buckets.take('ann'), buckets.take('ann')]).toEqual([0, 0])
})
