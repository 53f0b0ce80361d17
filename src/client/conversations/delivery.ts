import { RejectedError } from '../errors.ts'
import type { OutboxEntry, StoredReply } from '../outbox/entry.ts'
import type { Delivery } from '../outbox/outbox.ts'
import type { MessageCodec } from './codec.ts'
import type { Conversation } from './conversation.ts'

/** Sends the changes of a conversation. */
export function deliveryOf(conversation: Conversation, codec: MessageCodec): Delivery {
  const { topic } = conversation

  async function send({ draft, sealed }: OutboxEntry): Promise<StoredReply> {
    const { payload, receipt } = sealed!
    const reply = await topic.push('send_message', { ...payload, client_message_id: draft.id })
    await codec.stored(conversation.context, receipt)
    // The server tells where it stored a message that has an id.
    const { message_group: group, seq, inserted_at: at } = reply as Exclude<typeof reply, 'message_sent'>
    return { group, seq, at }
  }

  async function edit({ sealed, group }: OutboxEntry): Promise<StoredReply> {
    const { payload, receipt } = sealed!
    const reply = await topic.push('edit_message', { ...payload, message_group_id: group!, return_seq: true })
    await codec.stored(conversation.context, receipt)
    return changed(group, reply)
  }

  async function remove({ group }: OutboxEntry): Promise<StoredReply> {
    try {
      return changed(
        group,
        await topic.push('delete_message', { message_group_id: group!, return_seq: true }),
      )
    } catch (error) {
      // An earlier attempt has deleted it.
      if (!(error instanceof RejectedError) || error.code !== 'no_message') throw error
      return changed(group)
    }
  }

  const deliveries = { send, edit, delete: remove }
  return {
    async ready() {
      await codec.ready()
      await conversation.open()
    },
    seal: ({ draft, allowUnsigned }) => codec.seal(conversation.context, draft, { allowUnsigned }),
    deliver: (entry) => deliveries[entry.kind](entry),
    reload: () => topic.rejoin(),
  }
}

/** The place of a change. An older server does not tell it. */
function changed(group = '', reply?: 'message_sent' | { seq: number }): StoredReply {
  return { group, seq: typeof reply === 'object' ? reply.seq : undefined, at: undefined }
}
