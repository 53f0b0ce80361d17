import { expectTypeOf, it } from 'vitest'
import type { Topic, TopicOptions } from '../../src/client/connection/topic.ts'
import type { Account, Conversation, Message, MessageContent } from '../../src/client/index.ts'
import type { ConversationTopic, RoomTopic, SystemTopic } from '../../src/client/wire.ts'

/** Never called: the compiler checks what it contains. */
async function payloads(
  conversation: Topic<ConversationTopic>,
  system: Topic<SystemTopic>,
  room: Topic<RoomTopic>,
): Promise<void> {
  await conversation.push('read_conversation', { seq: 1 })
  // @ts-expect-error a `seq` is a number
  await conversation.push('read_conversation', { seq: '1' })
  // @ts-expect-error there is no such event
  await conversation.push('read_conversations', {})
  // @ts-expect-error the copies are missing
  await conversation.push('send_message', { client_message_id: 'x' })
  // @ts-expect-error a copy is a text
  await conversation.push('send_message', { encrypted_messages: { id: 1 } })
  // @ts-expect-error the other user is missing
  await system.push('start_private_conversation', {})
  // @ts-expect-error the text is missing
  await room.push('message', {})
}

/** The same for what a topic receives. */
function receivers(): TopicOptions<ConversationTopic>['events'][] {
  return [
    { read_conversation: ({ read_seq }) => expectTypeOf(read_seq).toBeNumber() },
    // @ts-expect-error there is no such event
    { read_conversations: () => {} },
    // @ts-expect-error the payload is another
    { read_conversation: ({ seq }: { seq: number }) => seq },
  ]
}

/** The same for the reply to a join. */
function joins(): TopicOptions<ConversationTopic>['joined'][] {
  return [
    ({ last_seq }) => expectTypeOf(last_seq).toBeNumber(),
    // @ts-expect-error the reply is another
    ({ seq }: { seq: number }) => seq,
  ]
}

/** The same for the calls of an application. */
async function calls(me: Account, chat: Conversation, message: Message): Promise<void> {
  await chat.send({ type: 'reply', body: { to: message.id, text: 'Yes' } })
  // @ts-expect-error a reply names a message
  await chat.send({ type: 'reply', body: { text: 'Yes' } })
  // @ts-expect-error there is no such type
  await chat.send({ type: 'poll', body: {} })
  // @ts-expect-error there is no such event
  chat.on('messages', () => {})
  // @ts-expect-error a group is started with a list of users
  await me.conversations.startGroup('bob@example.com')
}

it('lets no wrong payload compile', () => {
  expectTypeOf(payloads).returns.resolves.toBeVoid()
  expectTypeOf(receivers).returns.toBeArray()
  expectTypeOf(joins).returns.toBeArray()
  expectTypeOf(calls).returns.resolves.toBeVoid()
})

it('types replies, events and content', () => {
  expectTypeOf<SystemTopic['replies']['start_private_conversation']>().toBeString()
  expectTypeOf<Exclude<ConversationTopic['replies']['send_message'], 'message_sent'>>().toExtend<{
    message_group: string
    seq: number
  }>()
  expectTypeOf<Parameters<Conversation['send']>[0]>().toEqualTypeOf<string | MessageContent>()
})
