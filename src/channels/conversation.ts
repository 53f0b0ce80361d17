import { Type } from 'typebox'
import { readRecipients } from '../domain/messages.ts'
import { AppError } from '../errors.ts'
import { defineChannel } from '../realtime/definition.ts'
import { payloadCheck, Text } from '../validation.ts'
import { openConversationView } from '../views/conversations.ts'
import { sentView } from '../views/messages.ts'
import type { ChannelContext } from './context.ts'
import { concurrently } from './guard.ts'
import { Alias, ClientMessageId, EncryptedMessages, KeyPair, UserIds } from './payloads.ts'

const Place = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Join = Type.Object({ after_seq: Type.Optional(Place) })
const Nothing = Type.Object({})
const Read = Type.Object({ seq: Type.Optional(Place) })
const ChangeAlias = Type.Object({ alias: Alias })
const SendMessage = Type.Object({
  encrypted_messages: EncryptedMessages,
  client_message_id: ClientMessageId,
})
const EditMessage = Type.Object({ message_group_id: Text(), encrypted_messages: EncryptedMessages })
const DeleteMessage = Type.Object({ message_group_id: Text() })
const Modify = Type.Object({ new_members: UserIds, alias: Type.Optional(Alias) })
const SetKeys = Type.Object(KeyPair)

/** `conversation:<id>` — one conversation, open to its members. */
export function conversationChannel({ services, dialect, guard, broadcasts, typing }: ChannelContext) {
  const { conversations, messages } = services
  const { on, checkToken } = guard
  const checkJoin = payloadCheck(Join)

  return defineChannel<{ id: string }>({
    pattern: 'conversation:*',
    async join(channel, id, payload) {
      checkToken(channel, payload, 'unauthorized')
      const { after_seq: afterSeq } = checkJoin(payload)
      const details = await conversations.open(id, channel.userId)
      // Broadcasts go to the topic as it is written here: an id in capitals would hear nothing.
      if (details.conversation.id !== id) throw new AppError('no_conversation')
      const { userId } = channel
      const past =
        afterSeq === undefined
          ? await messages.latest(userId, id)
          : await messages.since(userId, id, afterSeq)
      return { state: { id }, reply: openConversationView(dialect, details, past, userId) }
    },
    left: (channel) => typing.left(channel),
    events: {
      change_alias: on(ChangeAlias, async (channel, { id }, { alias }) => {
        const conversation = await conversations.rename(id, channel.userId, alias)
        channel.broadcast('update_alias', { conversation: id, alias: conversation.alias })
      }),
      leave_conversation: on(Nothing, (channel, { id }) => conversations.leave(id, channel.userId)),
      send_message: concurrently(
        on(SendMessage, async (channel, { id }, payload) => {
          const { encrypted_messages, client_message_id: clientMessageId } = payload
          const recipients = readRecipients(encrypted_messages)
          const sent = await messages.send(id, channel.userId, recipients, clientMessageId)
          return clientMessageId && sentView(dialect, sent)
        }),
      ),
      edit_message: concurrently(
        on(EditMessage, (channel, { id }, payload) => {
          const copies = readRecipients(payload.encrypted_messages)
          return messages.edit(id, channel.userId, { groupId: payload.message_group_id, copies })
        }),
      ),
      delete_message: concurrently(
        on(DeleteMessage, (channel, { id }, payload) =>
          messages.delete(id, channel.userId, payload.message_group_id),
        ),
      ),
      start_typing: on(Nothing, (channel) => typing.start(channel)),
      finish_typing: on(Nothing, (channel) => typing.finish(channel)),
      read_conversation: on(Read, async (channel, { id }, { seq }) => {
        const readSeq = await conversations.markRead(id, channel.userId, seq)
        channel.broadcast('read_conversation', { user_id: channel.userId, read_seq: readSeq })
      }),
      modify_conversation: on(Modify, async (channel, { id }, { new_members, alias }) => {
        const change = alias === undefined ? { newMembers: new_members } : { newMembers: new_members, alias }
        broadcasts.newConversation(await conversations.addMembers(id, channel.userId, change))
      }),
      set_encryption_keys: on(SetKeys, async (channel, { id }, payload) => {
        const { public_key, private_key } = payload
        await conversations.setKeys(id, channel.userId, { publicKey: public_key, privateKey: private_key })
        channel.broadcast('set_encryption_keys', { user_id: channel.userId, public_key })
      }),
    },
  })
}
