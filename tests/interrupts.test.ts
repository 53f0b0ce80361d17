import { expect, it } from 'vitest'
import { InterruptCounter } from '../src/interrupts.ts'
import { ManualClock } from './support/clock.ts'

/** Returns for each SIGINT whether it forces an exit. @param pauses milliseconds since the previous SIGINT. */
function forces(...pauses: number[]): boolean[] {
  const clock = new ManualClock()
  const interrupts = new InterruptCounter(clock)
  return pauses.map((pause) => {
    clock.advance(pause)
    return interrupts.isForced()
  })
}

it('forces an exit at the third key press within five seconds', () => {
  expect(forces(0, 2_000, 2_999)).toEqual([false, false, true])
  expect(forces(0, 2_000, 3_000)).toEqual([false, false, false])
  expect(forces(0, 4_000, 4_000, 900)).toEqual([false, false, false, true])
})

it('counts a SIGINT and its repetition by npm as one key press', () => {
  expect(forces(0, 1)).toEqual([false, false])
  expect(forces(0, 1, 700, 1)).toEqual([false, false, false, false])
  expect(forces(0, 1, 700, 1, 700, 1)).toEqual([false, false, false, false, true, false])
})

it('counts SIGINTs that arrive at the same moment, as after SIGSTOP, as one key press', () => {
  expect(forces(0, 0, 0, 0, 0, 0)).toEqual([false, false, false, false, false, false])
})
