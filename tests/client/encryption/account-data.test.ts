import { beforeAll, expect, it } from 'vitest'
import { openAccountData, sealAccountData } from '../../../src/client/encryption/index.ts'
import { newAccount, rotate, type TestAccount } from './accounts.ts'

const DATA = { name: 'pins', revision: 3, data: { bob: 'thumbprint' } }
let ann: TestAccount
let sealed: string
beforeAll(async () => {
  ann = await newAccount(1)
  sealed = await sealBy(ann)
})

it('is opened by its owner, also after a rotation', async () => {
  const expected = { userId: ann.userId, ...DATA }
  expect(await open(ann)).toEqual(expected)
  expect(await open((await rotate(ann)).account)).toEqual(expected)
})

it('is not opened with the keys of another account', async () => {
  await expect(open(await newAccount(1))).rejects.toMatchObject({ code: 'undecryptable' })
})

it('is not accepted under another name', async () => {
  const expected = { userId: ann.userId, name: 'drafts' }
  const opened = openAccountData(sealed, expected, ann.own.decryption, ann.history)
  await expect(opened).rejects.toMatchObject({ code: 'wrong_name' })
})

it('cannot be made by somebody who knows only the public keys', async () => {
  const server = await newAccount(1)
  const forged = await sealBy(ann, server.own.signer)
  const named = await sealBy(ann, { ...server.own.signer, kid: ann.own.signer.kid })
  for (const text of [forged, named]) {
    const opened = openAccountData(
      text,
      { userId: ann.userId, name: 'pins' },
      ann.own.decryption,
      ann.history,
    )
    await expect(opened).rejects.toMatchObject({ code: 'bad_signature' })
  }
})

it.each(['', 'x', 'a.b.c.d.e'])('refuses %j', async (text) => {
  const opened = openAccountData(text, { userId: ann.userId, name: 'pins' }, ann.own.decryption, ann.history)
  await expect(opened).rejects.toMatchObject({ code: 'undecryptable' })
})

function sealBy(account: TestAccount, signer = account.own.signer): Promise<string> {
  return sealAccountData({ userId: account.userId, ...DATA }, signer, account.history.at(-1)!.encryption_key)
}

function open({ userId, own, history }: TestAccount) {
  return openAccountData(sealed, { userId, name: 'pins' }, own.decryption, history)
}
