import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import {
  EncryptionError,
  extendHistory,
  KeyError,
  openAccountData,
  openConversationKey,
  openMessage,
  parseRecoveryKey,
  type SealedMessage,
  unlockKeys,
} from '../../../src/client/encryption/index.ts'
import { CONVERSATION, newAccount, received, rotate, SECRET, seal, type TestAccount } from './accounts.ts'

let ann: TestAccount
let sealed: SealedMessage
let entry: object
let locked: string
beforeAll(async () => {
  ann = await newAccount(1)
  sealed = await seal(ann, [ann])
  const { upload } = await rotate(ann)
  entry = upload.entry
  locked = upload.locked
})

it('opens no message that is changed anywhere, and never throws', async () => {
  const valid = received(sealed, ann, ann)
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('copy', 'shared'),
      fc.nat(5000),
      fc.string({ maxLength: 3 }),
      async (name, at, text) => {
        const original = valid[name as 'copy' | 'shared']!
        const changed = splice(original, at, text)
        const opened = await openMessage({ ...valid, [name]: changed })
        expect(opened.ok).toBe(changed === original)
      },
    ),
    { numRuns: 300 },
  )
})

it('accepts no entry that is changed anywhere', async () => {
  const text = JSON.stringify(entry)
  await fc.assert(
    fc.asyncProperty(fc.nat(5000), fc.string({ maxLength: 3 }), async (at, change) => {
      const changed = parse(splice(text, at, change))
      fc.pre(changed !== undefined && JSON.stringify(changed) !== text)
      await expectError(extendHistory(ann.userId, ann.history, [changed]))
    }),
    { numRuns: 300 },
  )
})

it('throws nothing but its own errors for any input', async () => {
  const { userId, history, own } = ann
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.string(), fc.constantFrom('a.b.c.d.e', `${locked}.`, splice(locked, 70, 'x'))),
      async (text) => {
        await expectError(unlockKeys(userId, text, SECRET))
        await expectError(openAccountData(text, { userId, name: 'pins' }, own.decryption, history))
        await expectError(
          openConversationKey(CONVERSATION, { kty: 'RSA', n: text, e: 'AQAB', d: text }, own.decryption),
        )
        await expectError(parseRecoveryKey(text))
      },
    ),
  )
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      await expectError(extendHistory(userId, history, [value]))
    }),
  )
})

async function expectError(result: Promise<unknown>): Promise<void> {
  const error = await result.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error instanceof EncryptionError || error instanceof KeyError, String(error)).toBe(true)
}

/** Replaces as many characters at a place as the text has, at least one. */
function splice(original: string, at: number, text: string): string {
  const start = at % original.length
  return original.slice(0, start) + text + original.slice(start + Math.max(1, text.length))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
