import type { ConversationContext, MessageCodec } from '../conversations/codec.ts'
import type { KeyDirectory } from '../keys/key-directory.ts'
import type { AccountKeys } from '../keys/own-keys.ts'
import type { MemberRecord } from './member-record.ts'
import type { MessageReader } from './message-reader.ts'
import type { MessageWriter } from './message-writer.ts'

/** Encrypts messages end to end, in the format `parley.1`. */
export function encryptedCodec(parts: {
  keys: AccountKeys
  directory: KeyDirectory
  reader: MessageReader
  writer: MessageWriter
  members: MemberRecord
}): MessageCodec {
  const { keys, directory, reader, writer, members } = parts
  const hasKeyless = ({ members }: ConversationContext) =>
    [...members.keys()].some((id) => directory.historyOf(id).length === 0)
  return {
    ready: () => keys.whenUnlocked(),
    check: () => void keys.unlocked,
    startKeys: async () => undefined,
    async joined(context, setKeys) {
      const problems = await members.note(context)
      await directory.ensure([...context.members.keys()])
      await directory.check(context.accountKeys)
      await reader.noteHeads(context)
      await writer.offerKey(context, setKeys)
      return problems
    },
    async seal(context, draft, options) {
      await members.check(context)
      return writer.seal(context, draft, options)
    },
    // An original client does not understand the edit.
    deletion: (context) => (hasKeyless(context) ? ['edit', 'delete'] : ['edit']),
    stored: ({ id }, receipt) => writer.stored(id, receipt),
    open: (context, wire, source) => reader.open(context, wire, source),
    // Members of groups may have come later, and deletions for original clients leave gaps.
    complete: async (context) =>
      context.isPrivate && keys.isUnlocked && !hasKeyless(context) ? reader.missingAtStart(context.id) : [],
    skip: ({ id }) => reader.skip(id),
    close: () => reader.close(),
  }
}
