import type { ChangedMessage } from '../../domain/conversations/messages.ts'
import { AppError } from '../../errors.ts'
import { parseEncryptedMessages, parseShared } from '../../input/encrypted-messages.ts'
import { payloadCheck } from '../../input/validation.ts'
import { type Channel, defineChannel } from '../../realtime/index.ts'
import { JoinConversation, ConversationPushes as Pushes } from '../../schemas/events/conversation.ts'
import { openConversationView } from '../../views/conversations.ts'
import { changedView, sentView } from '../../views/messages.ts'
import type { ChannelContext } from './context.ts'
import { concurrently } from './guard.ts'

/** Characters of a shared ciphertext that cost as much as one more recipient for each recipient. */
const SHARED_LENGTH_PER_RECIPIENT = 16_384

interface OpenConversation {
  id: string
  /** The number of members that this channel knows of; the actual number may differ. */
  memberCount: number
}

/** `conversation:<id>` — one conversation, open to its members. */
export function conversationChannel({ services, dialect, guard, typing }: ChannelContext) {
  const { conversations, messages } = services
  const { on, checkToken } = guard
  const checkJoin = payloadCheck(JoinConversation)

  async function read(id: string, userId: string, afterSeq: number | undefined) {
    // What was missed is read with its own `lastSeq`, so both can be read at the same time.
    if (afterSeq !== undefined)
      return Promise.all([conversations.open(id, userId), messages.since(userId, id, afterSeq)])
    // The page must include what happened up to the `lastSeq` of the details.
    const details = await conversations.open(id, userId)
    return [details, await messages.latest(userId, id)] as const
  }

  return defineChannel<OpenConversation>({
    pattern: 'conversation:*',
    async join(channel, id, payload) {
      checkToken(channel, payload, 'unauthorized')
      const { after_seq: afterSeq } = checkJoin(payload)
      const { userId } = channel
      const [details, messageState] = await read(id, userId, afterSeq)
      // Topics are case-sensitive, UUIDs are not: a topic with an id in capitals would receive no broadcasts.
      if (details.conversation.id !== id) throw new AppError('no_conversation')
      const memberCount = details.users.length
      return {
        state: { id, memberCount },
        reply: openConversationView(dialect, details, messageState, userId),
      }
    },
    // Messages go to every member, all other events to the subscribers of the topic.
    audience: ({ state, subscriberCount }) => Math.max(state.memberCount, subscriberCount),
    left: (channel) => typing.left(channel),
    events: {
      change_alias: on(Pushes.change_alias, async ({ state, userId }, { alias }) => {
        await conversations.rename(state.id, userId, alias)
      }),
      leave_conversation: on(Pushes.leave_conversation, ({ state, userId }) =>
        conversations.leave(state.id, userId),
      ),
      send_message: concurrently(
        on(Pushes.send_message, async (channel: Channel<OpenConversation>, payload) => {
          const { state, userId } = channel
          const { encrypted_messages, client_message_id: clientMessageId, attachments } = payload
          const recipients = parseEncryptedMessages(encrypted_messages)
          const shared = parseShared(payload.shared)
          channel.charge(recipients.size * sharedWeight(shared))
          const sent = await messages.send(state.id, userId, recipients, {
            clientMessageId,
            shared,
            attachments,
          })
          // The recipients of a message that is sent again are not checked, so the count only grows.
          state.memberCount = Math.max(state.memberCount, recipients.size)
          return clientMessageId && sentView(dialect, sent)
        }),
      ),
      edit_message: concurrently(
        on(Pushes.edit_message, async (channel: Channel<OpenConversation>, payload) => {
          const { state, userId } = channel
          const copies = parseEncryptedMessages(payload.encrypted_messages)
          const shared = parseShared(payload.shared)
          channel.charge(copies.size * sharedWeight(shared))
          const { message_group_id: groupId, attachments } = payload
          return changeReply(
            payload,
            await messages.edit(state.id, userId, { groupId, copies, shared, attachments }),
          )
        }),
      ),
      delete_message: concurrently(
        on(Pushes.delete_message, async ({ state, userId }: Channel<OpenConversation>, payload) =>
          changeReply(payload, await messages.delete(state.id, userId, payload.message_group_id)),
        ),
      ),
      start_typing: on(Pushes.start_typing, (channel) => typing.start(channel)),
      finish_typing: on(Pushes.finish_typing, (channel) => typing.finish(channel)),
      read_conversation: on(Pushes.read_conversation, ({ state, userId }, { seq }) =>
        conversations.markRead(state.id, userId, seq),
      ),
      modify_conversation: on(Pushes.modify_conversation, async (channel, { new_members, alias }) => {
        const { state, userId } = channel
        const change = alias === undefined ? { newMembers: new_members } : { newMembers: new_members, alias }
        const { memberIds } = await conversations.addMembers(state.id, userId, change)
        channel.charge(memberIds.length - state.memberCount)
        state.memberCount = memberIds.length
      }),
      set_encryption_keys: on(
        Pushes.set_encryption_keys,
        ({ state, userId }, { public_key: publicKey, private_key: privateKey }) =>
          conversations.setKeys(state.id, userId, { publicKey, privateKey }),
      ),
    },
  })
}

/** The reply to an edit or deletion: `message_sent`, unless the client asks for the `seq`. */
function changeReply(payload: { return_seq?: boolean | undefined }, changed: ChangedMessage) {
  return payload.return_seq ? changedView(changed) : undefined
}

/** Every recipient receives the shared ciphertext: a long one is charged like further recipients. */
function sharedWeight(shared: string | undefined): number {
  return Math.floor((shared?.length ?? 0) / SHARED_LENGTH_PER_RECIPIENT)
}
