import type { MessageCodec } from '../conversations/codec.ts'
import type { KeyDirectory } from '../keys/key-directory.ts'
import type { AccountKeys } from '../keys/own-keys.ts'
import type { MessageReader } from './message-reader.ts'
import type { MessageWriter } from './message-writer.ts'

/** Encrypts messages end to end, in the format `parley.1`. */
export function encryptedCodec(parts: {
  keys: AccountKeys
  directory: KeyDirectory
  reader: MessageReader
  writer: MessageWriter
}): MessageCodec {
  const { keys, directory, reader, writer } = parts
  return {
    ready: () => keys.whenUnlocked(),
    check: () => void keys.unlocked,
    startKeys: async () => undefined,
    async joined(context, setKeys) {
      await directory.ensure([...context.members.keys()], context.accountKeys)
      await reader.noteHeads(context)
      await writer.offerKey(context, setKeys)
    },
    seal: (context, draft, options) => writer.seal(context, draft, options),
    // An original client does not understand the edit.
    deletion: ({ members }) =>
      [...members.keys()].some((id) => directory.historyOf(id).length === 0) ? ['edit', 'delete'] : ['edit'],
    stored: ({ id }, receipt) => writer.stored(id, receipt),
    open: (context, wire, source) => reader.open(context, wire, source),
  }
}
