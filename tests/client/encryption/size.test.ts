import { expect, it } from 'vitest'
import {
  importEncryptionKey,
  type PublicJwk,
  publicHalf,
  sealMessage,
} from '../../../src/client/encryption/index.ts'
import { contentOf, newAccount, userId } from './accounts.ts'

/** The largest frame that the server accepts, and the largest string in one. */
const MAX_FRAME_BYTES = 256 * 1024
const MAX_SHARED_BYTES = 64 * 1024

it.each(['a', 'я', '漢', '🦦'])(
  'fits a message of 4,000 times %s to 500 members into one frame',
  async (character) => {
    const ann = await newAccount(1)
    const key: PublicJwk = publicHalf(ann.keys[0]!.encryption_key)
    await importEncryptionKey(key)
    const recipients = new Map(Array.from({ length: 500 }, (_, index) => [userId(index), key]))
    const content = contentOf(
      ann,
      { counter: 123_456, previous: 'A'.repeat(43), revision: 12, original: 'A'.repeat(43) },
      { type: 'text', body: { text: character.repeat(4000) } },
    )
    const { shared, copies } = await sealMessage({ content, signer: ann.own.signer, recipients })
    expect(shared.length).toBeLessThanOrEqual(MAX_SHARED_BYTES)
    const topic = `conversation:${userId(0)}`
    const identity = { token: 'x'.repeat(500), client_message_id: userId(0) }
    const frame = JSON.stringify([
      '1000',
      '100000',
      topic,
      'send_message',
      { ...identity, shared, encrypted_messages: copies },
    ])
    expect(Buffer.byteLength(frame)).toBeLessThanOrEqual(MAX_FRAME_BYTES)
  },
)

it('fits the largest message into what the server accepts as `shared`', async () => {
  const ann = await newAccount(1)
  const recipients = new Map([[ann.userId, ann.history[0]!.encryption_key]])
  const seal = (length: number) =>
    sealMessage({
      content: contentOf(ann, {}, { type: 'text', body: { text: 'x'.repeat(length) } }),
      signer: ann.own.signer,
      recipients,
    })
  let length = 32_000
  while ((await seal(length + 250).catch(() => undefined)) !== undefined) length += 250
  expect((await seal(length)).shared.length).toBeLessThanOrEqual(MAX_SHARED_BYTES)
})
