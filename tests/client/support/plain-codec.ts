import type { MessageCodec } from '../../../src/client/conversations/codec.ts'
import { KEYS } from '../../support/conversations.ts'

/** Writes messages as JSON that everyone can read, to test everything except the encryption. */
export function plainCodec(): MessageCodec {
  return {
    ready: async () => {},
    check: () => {},
    startKeys: async () => KEYS,
    joined: async ({ privateKey }, setKeys) => {
      if (!privateKey) await setKeys(KEYS)
      return []
    },
    seal: async ({ members }, { id, type, body, edits }) => {
      const revision = edits === undefined ? 0 : Number(edits) + 1
      const copy = JSON.stringify({ id, type, body, revision })
      const encrypted_messages = Object.fromEntries([...members.keys()].map((id) => [id, copy]))
      return { payload: { encrypted_messages }, receipt: null }
    },
    deletion: () => ['delete'],
    stored: async () => {},
    skip: async () => {},
    complete: async () => [],
    close: async () => {},
    open: async (_context, { content }) => {
      const { id, type, body, revision } = JSON.parse(content)
      const reading = { verified: 'unsigned' as const, problems: [], sentAt: undefined }
      return { id, type, body, revision, ...reading, origin: revision }
    },
  }
}
