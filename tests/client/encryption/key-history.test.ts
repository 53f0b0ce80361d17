import { beforeAll, expect, it } from 'vitest'
import {
  checkCurrentKeys,
  createKeys,
  extendHistory,
  findSigner,
  headOf,
  resetKeys,
} from '../../../src/client/encryption/index.ts'
import { NOW, newAccount, rotate, SECRET, type TestAccount } from './accounts.ts'

let ann: TestAccount
let second: Awaited<ReturnType<typeof rotate>>
let third: Awaited<ReturnType<typeof rotate>>
beforeAll(async () => {
  ann = await newAccount(1)
  second = await rotate(ann)
  third = await rotate(second.account)
})

it('accepts entries one after the other, in one list or in several', async () => {
  const { userId, history } = ann
  const entries = [second.upload.entry, third.upload.entry]
  const [whole, inParts] = await Promise.all([
    extendHistory(userId, history, entries),
    extendHistory(userId, await extendHistory(userId, history, [entries[0]]), [entries[1]]),
  ])
  expect(whole.map(({ version }) => version)).toEqual([1, 2, 3])
  expect(inParts).toEqual(whole)
  expect(headOf(whole)).toBe(whole[2]!.hash)
  expect(headOf([])).toBeNull()
})

it('accepts known entries again', async () => {
  expect(await extendHistory(ann.userId, second.account.history, [second.upload.entry])).toEqual(
    second.account.history,
  )
})

it('refuses a list with a version left out', async () => {
  const extended = extendHistory(ann.userId, ann.history, [third.upload.entry])
  await expect(extended).rejects.toMatchObject({ code: 'wrong_version' })
  await expect(extendHistory(ann.userId, [], [second.upload.entry])).rejects.toMatchObject({
    code: 'wrong_version',
  })
})

it('refuses a list in another order', async () => {
  const entries = [third.upload.entry, second.upload.entry]
  await expect(extendHistory(ann.userId, ann.history, entries)).rejects.toMatchObject({
    code: 'wrong_version',
  })
})

it('recognises another history of the same user', async () => {
  const { upload: forged } = await createKeys({ userId: ann.userId, secret: SECRET, now: NOW })
  const replaced = extendHistory(ann.userId, ann.history, [forged.entry])
  await expect(replaced).rejects.toMatchObject({ code: 'history_forked' })
  const { upload: branch } = await rotate(ann)
  const forked = extendHistory(ann.userId, second.account.history, [branch.entry])
  await expect(forked).rejects.toMatchObject({ code: 'history_forked' })
})

it('accepts new keys that the lost ones did not sign, and says that they are a reset', async () => {
  const { upload } = await resetKeys({ userId: ann.userId, secret: SECRET, now: NOW }, ann.history[0]!)
  const history = await extendHistory(ann.userId, ann.history, [upload.entry])
  expect(history.map(({ reset }) => reset)).toEqual([false, true])
})

it('does not rotate keys that are not those of the history', async () => {
  const thief = await newAccount(1)
  await expect(rotate({ ...thief, history: ann.history })).rejects.toMatchObject({ code: 'invalid_keys' })
})

it('finds the newest entry of a signing key, and none of an unknown one', () => {
  const { history } = third.account
  expect(findSigner(history, history[1]!.kid)?.version).toBe(2)
  expect(findSigner(history, 'A'.repeat(43))).toBeUndefined()
})

it('compares the keys that the server names with the history', async () => {
  const { history } = second.account
  const [first, last] = [history[0]!, history[1]!]
  expect(checkCurrentKeys(history, last)).toBe(last)
  const stranger = (await newAccount(1)).history[0]!
  expect(() => checkCurrentKeys(history, { ...stranger, version: 2 })).toThrow(
    expect.objectContaining({ code: 'history_forked' }),
  )
  expect(() => checkCurrentKeys(history, { ...last, version: 3 })).toThrow(
    expect.objectContaining({ code: 'history_incomplete' }),
  )
  // An older answer of the server never brings an older key back.
  expect(checkCurrentKeys(history, first)).toBe(last)
})
