import { expect, it } from 'vitest'
import { compareHeads, hashHeads, hashText } from '../../../src/client/encryption/index.ts'
import { userId } from './accounts.ts'

const [ANN, BOB, CAROL] = [userId(1), userId(2), userId(3)]
const current = new Map([
  [ANN, 'a2'],
  [BOB, 'b1'],
  [CAROL, null],
])
const histories = new Map([
  [ANN, ['a1', 'a2']],
  [BOB, ['b1']],
])
const known = { current, earlier: new Set<string>(), histories }

it('covers each member and the head of their history, in the order of the ids', async () => {
  const expected = await hashText(`${ANN} a2\n${BOB} b1\n${CAROL} -\n`)
  expect(await hashHeads(current)).toBe(expected)
  expect(await hashHeads(new Map([...current].reverse()))).toBe(expected)
})

it('recognises what the receiver sees', async () => {
  expect(await compareHeads(await hashHeads(current), known)).toBe('same')
})

it.each<[string, [string, string | null]]>([
  ['keys before a rotation', [ANN, 'a1']],
  ['a member before it had keys', [BOB, null]],
])('recognises %s as older', async (_, head) => {
  expect(await compareHeads(await hashHeads(new Map([...current, head])), known)).toBe('older')
})

it('recognises a list that the receiver saw before as older', async () => {
  const before = await hashHeads(new Map([[ANN, 'a1']]))
  expect(await compareHeads(before, known)).toBe('unknown')
  expect(await compareHeads(before, { ...known, earlier: new Set([before]) })).toBe('older')
})

it.each<[string, Map<string, string | null>]>([
  ['another key of a member', new Map([...current, [BOB, 'forged']])],
  ['another member', new Map([...current, [userId(4), 'd1']])],
  ['a member less', new Map([[ANN, 'a2']])],
  ['a key of a member who has none', new Map([...current, [CAROL, 'c1']])],
])('notices %s', async (_, heads) => {
  expect(await compareHeads(await hashHeads(heads), known)).toBe('unknown')
})
