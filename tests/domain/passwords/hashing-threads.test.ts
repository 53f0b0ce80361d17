import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { expect, it } from 'vitest'
import { HashingThreads } from '../../../src/domain/passwords/hashing-threads.ts'

const COST = { memoryCost: 64, timeCost: 1, parallelism: 1 }

it('verifies its own hashes, also many concurrently', async () => {
  const threads = new HashingThreads()
  const known = async (password: string) => {
    const hash = await threads.run({ kind: 'hash', password, cost: COST })
    const right = threads.run({ kind: 'verify', password, hash })
    const wrong = threads.run({ kind: 'verify', password: 'another', hash })
    return Promise.all([right, wrong])
  }
  const answers = await Promise.all(['plum', 'pear', 'quince'].map(known))
  expect(answers).toEqual([
    [true, false],
    [true, false],
    [true, false],
  ])
})

it('rejects an invalid hash with an error, and continues to work', async () => {
  const threads = new HashingThreads()
  await expect(threads.run({ kind: 'verify', password: 'plum', hash: 'no hash' })).rejects.toThrow(/decod/i)
  expect(await threads.run({ kind: 'hash', password: 'plum', cost: COST })).toMatch(/^\$argon2id\$/)
})

it.runIf(process.platform === 'linux')('gives way to the rest of the process', async () => {
  const [before, own] = [niceThreads(), getPriority()]
  await new HashingThreads().run({ kind: 'hash', password: 'plum', cost: COST })
  expect(niceThreads()).toBe(before + 1)
  expect(getPriority()).toBe(own)
})

/** The threads of this process with a lower priority than its first (proc(5): field 19 is the niceness). */
function niceThreads(): number {
  const stats = readdirSync('/proc/self/task').map((id) => readFileSync(`/proc/self/task/${id}/stat`, 'utf8'))
  return stats.filter((stat) => Number(stat.split(') ')[1]?.split(' ')[16]) > getPriority()).length
}
