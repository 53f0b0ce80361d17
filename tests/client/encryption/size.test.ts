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

it.each([
  [219, 'x', 1447],
  [4000, 'x', 11_004],
  [4000, '漢', 27_388],
])('has the size that docs/encryption.md states: %i times %s', async (count, character, size) => {
  const { ann, sealText } = await newSender()
  const { shared, copies } = await sealText(character.repeat(count))
  expect(shared).toHaveLength(size)
  expect(copies[ann.userId]).toHaveLength(413)
})

it('fits the longest text into what the server accepts as `shared`', async () => {
  const { sealText } = await newSender()
  const { shared } = await sealText('x'.repeat(33_243))
  expect(shared.length).toBeLessThanOrEqual(MAX_SHARED_BYTES)
  await expect(sealText('x'.repeat(33_244))).rejects.toMatchObject({ code: 'message_too_large' })
})

async function newSender() {
  const ann = await newAccount(1)
  const recipients = new Map([[ann.userId, ann.history[0]!.encryption_key]])
  const sealText = (text: string) => {
    const place = { counter: 1234, previous: 'A'.repeat(43) }
    const content = contentOf(ann, place, { type: 'text', body: { text } })
    return sealMessage({ content, signer: ann.own.signer, recipients })
  }
  return { ann, sealText }
}
