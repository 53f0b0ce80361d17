import { expect, it } from 'vitest'
import { chooseDialect } from '../../src/views/dialect.ts'

/** 2024-01-01T23:38:41.183007Z in milliseconds since the epoch. */
const WITH_MICROSECONDS = 1_704_152_321_183.007

it('shows milliseconds in the documented dialect', () => {
  const { time } = chooseDialect('documented')
  expect(time(WITH_MICROSECONDS)).toBe('2024-01-01T23:38:41.183Z')
  expect(time(new Date(1_704_152_321_183))).toBe('2024-01-01T23:38:41.183Z')
})

it('shows microseconds in the legacy dialect', () => {
  const { time } = chooseDialect('legacy')
  expect(time(WITH_MICROSECONDS)).toBe('2024-01-01 23:38:41.183007Z')
  expect(time(1_704_152_321_183.999)).toBe('2024-01-01 23:38:41.183999Z')
  expect(time(new Date(1_704_152_321_183))).toBe('2024-01-01 23:38:41.183000Z')
})
