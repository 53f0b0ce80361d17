import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  appendToChain,
  type ChainLink,
  type DeviceChain,
  prependToChain,
  startChain,
} from '../../../src/client/encryption/index.ts'

/** The messages of one device. */
const messages: ChainLink[] = Array.from({ length: 12 }, (_, index) => ({
  counter: index + 1,
  previous: index === 0 ? null : `h${index}`,
  hash: `h${index + 1}`,
}))

it('accepts the messages of a device in their order', () => {
  expect(statuses(read(1, 2, 3, 4, 5))).toEqual(['ok', 'ok', 'ok', 'ok'])
})

it('shows how many messages are missing', () => {
  const { verdicts, chain } = read(1, 2, 6)
  expect(verdicts.at(-1)).toEqual({ status: 'gap', missing: 3 })
  expect(chain.first.counter).toBe(1)
})

it('shows that a missing message came later than it was sent', () => {
  expect(statuses(read(1, 2, 6, 4, 3, 5, 7))).toEqual([
    'ok',
    'gap',
    'reordered',
    'reordered',
    'reordered',
    'ok',
  ])
  expect(statuses(read(3, 2, 4))).toEqual(['reordered', 'ok'])
})

it('shows that a message was delivered again', () => {
  expect(statuses(read(1, 2, 3, 2))).toEqual(['ok', 'ok', 'repeated'])
  expect(statuses(read(1, 3, 2, 2))).toEqual(['gap', 'reordered', 'repeated'])
})

it('shows that a device went back to an old state', () => {
  const { chain } = read(1, 2, 3)
  expect(appendToChain(chain, { counter: 2, previous: 'h1', hash: 'other' }).verdict).toEqual({
    status: 'rolled_back',
  })
})

it.each<[string, ChainLink]>([
  ['another message before it', { counter: 4, previous: 'other', hash: 'h4' }],
  ['no message before it', { counter: 4, previous: null, hash: 'h4' }],
])('shows that the sender saw %s', (_, link) => {
  expect(appendToChain(read(1, 2, 3).chain, link).verdict).toEqual({ status: 'broken' })
})

it('shows that what fills a gap is not what was sent there', () => {
  const { chain } = read(1, 2, 5)
  for (const link of [
    { counter: 4, previous: 'h3', hash: 'other' },
    { counter: 3, previous: 'other', hash: 'h3' },
  ]) {
    expect(appendToChain(chain, link).verdict).toEqual({ status: 'broken' })
  }
  const filled = appendToChain(chain, messages[2]!)
  expect(appendToChain(filled.chain, { counter: 4, previous: 'other', hash: 'h4' }).verdict).toEqual({
    status: 'broken',
  })
})

it('reads older pages from new to old', () => {
  const { chain } = read(6, 7)
  const steps = [5, 4, 2, 1].map(
    ((older) => (counter: number) => {
      const step = prependToChain(older, messages[counter - 1]!)
      older = step.chain
      return step.verdict.status
    })(chain),
  )
  expect(steps).toEqual(['ok', 'ok', 'gap', 'ok'])
  expect(prependToChain(chain, { counter: 5, previous: 'h4', hash: 'other' }).verdict).toEqual({
    status: 'broken',
  })
  expect(prependToChain(chain, messages[5]!).verdict).toEqual({ status: 'repeated' })
})

it('accepts every message once, in whatever order, and says so only where the order is that of the device', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(messages, { minLength: 1 }), ([first, ...rest]) => {
      const seen = new Set([first!.counter])
      let chain = startChain(first!)
      let highest = first!.counter
      for (const link of rest) {
        const step = appendToChain(chain, link)
        const expected = link.counter < highest ? 'reordered' : link.counter === highest + 1 ? 'ok' : 'gap'
        expect(step.verdict.status).toBe(expected)
        chain = JSON.parse(JSON.stringify(step.chain))
        highest = Math.max(highest, link.counter)
        seen.add(link.counter)
        for (const counter of seen) {
          if (counter < first!.counter) continue
          expect(appendToChain(chain, messages[counter - 1]!).verdict.status).toBe('repeated')
        }
      }
    }),
  )
})

it('keeps a bounded state, whatever a sender does', () => {
  let chain = startChain(messages[0]!)
  for (let counter = 3; counter < 5000; counter += 2) {
    chain = appendToChain(chain, { counter, previous: 'p', hash: `h${counter}` }).chain
  }
  expect(JSON.stringify(chain).length).toBeLessThan(30_000)
})

function read(first: number, ...rest: number[]) {
  let chain: DeviceChain = startChain(messages[first - 1]!)
  const verdicts = rest.map((counter) => {
    const step = appendToChain(chain, messages[counter - 1]!)
    chain = step.chain
    return step.verdict
  })
  return { chain, verdicts }
}

function statuses({ verdicts }: ReturnType<typeof read>): string[] {
  return verdicts.map(({ status }) => status)
}
