import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { RequestBatcher } from '../../../src/domain/shared/request-batcher.ts'

/** A batcher that doubles numbers; the test completes each batch, with an error or without. */
function openBatcher(options: { maxBatchSize: number; maxConcurrentBatches: number }) {
  const batches: number[][] = []
  const completions: ((error?: Error) => void)[] = []
  const batcher = new RequestBatcher<number, number>(async (numbers) => {
    batches.push(numbers)
    await new Promise<void>((resolve, reject) =>
      completions.push((error) => (error ? reject(error) : resolve())),
    )
    return numbers.map((number) => number * 2)
  }, options)
  const request = (...numbers: number[]) => Promise.all(numbers.map((number) => batcher.request(number)))
  return { batcher, request, batches, completions }
}

/** Runs everything that does not wait for a batch to complete. */
async function settle(): Promise<void> {
  for (let iteration = 0; iteration < 5; iteration++) await setImmediate()
}

it('combines the requests of one event-loop iteration, and resolves each with its own response', async () => {
  const { request, batches, completions } = openBatcher({ maxBatchSize: 10, maxConcurrentBatches: 3 })
  const responses = request(1, 2, 3)
  await settle()
  expect(batches).toEqual([[1, 2, 3]])
  completions[0]?.()
  expect(await responses).toEqual([2, 4, 6])
})

it('collects requests while the maximum of batches is running', async () => {
  const { request, batches, completions } = openBatcher({ maxBatchSize: 3, maxConcurrentBatches: 2 })
  const responses: Promise<number[]>[] = []
  for (const number of [1, 2, 3, 4, 5, 6]) {
    responses.push(request(number))
    await settle()
  }
  expect(batches).toEqual([[1], [2]])
  completions[1]?.()
  await settle()
  expect(batches).toEqual([[1], [2], [3, 4, 5]])
  completions[0]?.()
  await settle()
  expect(batches).toEqual([[1], [2], [3, 4, 5], [6]])
  completions[2]?.()
  completions[3]?.()
  expect((await Promise.all(responses)).flat()).toEqual([2, 4, 6, 8, 10, 12])
})

it('rejects the requests of a failed batch and runs the next', async () => {
  const { batcher, batches, completions } = openBatcher({ maxBatchSize: 2, maxConcurrentBatches: 1 })
  const responses = Promise.allSettled([1, 2, 3].map((number) => batcher.request(number)))
  await settle()
  completions[0]?.(new Error('lost'))
  await settle()
  completions[1]?.()
  expect((await responses).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
  const later = batcher.request(4)
  await settle()
  completions[2]?.()
  expect(await later).toBe(8)
  expect(batches).toEqual([[1, 2], [3], [4]])
})
