import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Gathering } from '../../src/domain/gathering.ts'

/** Doubles numbers; each call waits until it is let go, with an error or without. */
function openGathering(options: { atOnce: number; calls: number }) {
  const asked: number[][] = []
  const ends: ((error?: Error) => void)[] = []
  const gathering = new Gathering<number, number>(async (questions) => {
    asked.push(questions)
    await new Promise<void>((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve())))
    return questions.map((question) => question * 2)
  }, options)
  const ask = (...questions: number[]) => Promise.all(questions.map((question) => gathering.ask(question)))
  return { gathering, ask, asked, ends }
}

/** Lets everything happen that does not wait for a call to end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await setImmediate()
}

it('asks together what is asked in the same turn, and gives each its own answer', async () => {
  const { ask, asked, ends } = openGathering({ atOnce: 10, calls: 3 })
  const answers = ask(1, 2, 3)
  await settle()
  expect(asked).toEqual([[1, 2, 3]])
  ends[0]?.()
  expect(await answers).toEqual([2, 4, 6])
})

it('lets questions gather while as many calls are under way as may be', async () => {
  const { ask, asked, ends } = openGathering({ atOnce: 3, calls: 2 })
  const answers: Promise<number[]>[] = []
  for (const question of [1, 2, 3, 4, 5, 6]) {
    answers.push(ask(question))
    await settle()
  }
  expect(asked).toEqual([[1], [2]])
  ends[1]?.()
  await settle()
  expect(asked).toEqual([[1], [2], [3, 4, 5]])
  ends[0]?.()
  await settle()
  expect(asked).toEqual([[1], [2], [3, 4, 5], [6]])
  ends[2]?.()
  ends[3]?.()
  expect((await Promise.all(answers)).flat()).toEqual([2, 4, 6, 8, 10, 12])
})

it('fails those whose call failed, and goes on', async () => {
  const { gathering, asked, ends } = openGathering({ atOnce: 2, calls: 1 })
  const answers = Promise.allSettled([1, 2, 3].map((question) => gathering.ask(question)))
  await settle()
  ends[0]?.(new Error('lost'))
  await settle()
  ends[1]?.()
  expect((await answers).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
  const later = gathering.ask(4)
  await settle()
  ends[2]?.()
  expect(await later).toBe(8)
  expect(asked).toEqual([[1, 2], [3], [4]])
})
