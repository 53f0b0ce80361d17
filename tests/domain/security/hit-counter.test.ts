import { expect, it } from 'vitest'
import { HitCounter } from '../../../src/domain/security/hit-counter.ts'
import { ManualClock } from '../../support/clock.ts'

it('evicts the least recently hit keys, so that its memory is bounded', async () => {
  const counter = new HitCounter(new ManualClock())
  const hit = async (key: string) => (await counter.hit(key, 60_000)).hits
  await hit('old')
  await hit('hit again')
  for (let i = 0; i < 24_990; i++) await hit(`key ${i}`)
  expect(await hit('hit again')).toBe(2)
  for (let i = 0; i < 100; i++) await hit(`more ${i}`)
  expect(await hit('hit again')).toBe(3)
  expect(await hit('old')).toBe(1)
})
