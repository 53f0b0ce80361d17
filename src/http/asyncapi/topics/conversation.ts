import { ConversationPushes, JoinConversation } from '../../../schemas/events/conversation.ts'
import { ConversationEvents, ConversationReplies } from '../../../schemas/events/conversation-events.ts'
import { JoinConversationReply } from '../../../schemas/events/join-reply.ts'
import type { ConversationChange } from '../../../schemas/events/messages.ts'
import { conversationTopic } from '../../../topics.ts'
import { describeEvents, describeJoin, describePushes, type TopicDescription } from '../description.ts'
import {
  ANN,
  ATTACHMENT,
  BOB,
  CLIENT_MESSAGE,
  CONVERSATION,
  MESSAGE,
  PRIVATE_KEY,
  PUBLIC_KEY,
  type Samples,
} from '../samples.ts'

const MEMBERS_ONLY = ['no_conversation'] as const
const keyCopies = { [ANN]: 'its content key for Ann', [BOB]: 'its content key for Bob' }
const copies = { [ANN]: 'the copy for Ann', [BOB]: 'the copy for Bob' }

/** Describes `conversation:<id>`. */
export function describeConversationTopic(samples: Samples): TopicDescription {
  const { conversation, sentAt } = samples
  return {
    key: 'conversation',
    address: conversationTopic('{conversation_id}'),
    exampleTopic: conversationTopic(CONVERSATION),
    title: 'One conversation',
    description:
      'Only members may join. What a member pushes reaches the others here, except for messages, which go to the `user:{user_id}` of each member.',
    parameters: { conversation_id: 'The id of the conversation, in lower case.' },
    server: 'socket',
    token: 'required',
    join: describeJoin(JoinConversation, JoinConversationReply, {
      summary:
        'The response is the current state, with the newest messages, or with the changes after `after_seq`.',
      examples: [{ after_seq: 17 }],
      replies: joinReplies(samples),
      codes: ['no_conversation', 'unauthorized'],
    }),
    pushes: describePushes(ConversationPushes, ConversationReplies, {
      change_alias: {
        summary: 'Names a group. Empty and null remove the name.',
        examples: [{ alias: 'Weekend' }],
        replies: ['message_sent'],
        rules: [...MEMBERS_ONLY, 'private_conversation'],
      },
      leave_conversation: {
        summary: 'Leaves a group, on all connections. The last member to leave deletes it.',
        examples: [{}],
        replies: ['message_sent'],
        rules: [...MEMBERS_ONLY, 'private_conversation'],
      },
      send_message: {
        summary: 'Sends a message: one copy for each member, the sender included.',
        examples: [
          { encrypted_messages: copies, client_message_id: CLIENT_MESSAGE },
          {
            encrypted_messages: keyCopies,
            shared: 'the ciphertext of all',
            attachments: [ATTACHMENT],
            client_message_id: CLIENT_MESSAGE,
          },
        ],
        replies: [{ message_group: MESSAGE, seq: 17, inserted_at: sentAt }, 'message_sent'],
        rules: [...MEMBERS_ONLY, 'not_enough_recipients', 'too_many_recipients', 'no_attachment'],
      },
      edit_message: {
        summary: 'Replaces the copies of a message.',
        examples: [{ message_group_id: MESSAGE, encrypted_messages: copies, return_seq: true }],
        replies: [{ message_group: MESSAGE, seq: 18 }, 'message_sent'],
        rules: [
          ...MEMBERS_ONLY,
          'not_enough_recipients',
          'too_many_recipients',
          'no_attachment',
          'no_message',
          'not_sender',
        ],
      },
      delete_message: {
        summary: 'Deletes a message.',
        examples: [{ message_group_id: MESSAGE, return_seq: true }],
        replies: [{ message_group: MESSAGE, seq: 19 }, 'message_sent'],
        rules: [...MEMBERS_ONLY, 'no_message', 'not_sender'],
      },
      start_typing: {
        summary: 'The user types. After 60 seconds the server sends `finish_typing` itself.',
        examples: [{}],
        replies: ['message_sent'],
      },
      finish_typing: {
        summary: 'The user no longer types.',
        examples: [{}],
        replies: ['message_sent'],
      },
      read_conversation: {
        summary: 'Moves the read position of the user forward, to the latest change if `seq` is absent.',
        examples: [{ seq: 17 }],
        replies: ['message_sent'],
        rules: [...MEMBERS_ONLY],
      },
      modify_conversation: {
        summary: 'Adds members to a group, and may name it. Every member receives `new_conversation`.',
        examples: [{ new_members: [BOB], alias: 'Weekend' }],
        replies: ['message_sent'],
        rules: [
          ...MEMBERS_ONLY,
          'private_conversation',
          'users_not_found',
          'too_many_members',
          'email_unconfirmed',
          'not_allowed_to_add',
        ],
      },
      set_encryption_keys: {
        summary: 'Sets the key pair of the user for this conversation, once.',
        examples: [{ public_key: PUBLIC_KEY, private_key: PRIVATE_KEY }],
        replies: ['message_sent'],
        rules: [...MEMBERS_ONLY, 'keys_already_set'],
      },
    }),
    events: describeEvents(ConversationEvents, {
      update_alias: { summary: 'The group has another name.', examples: [{ conversation }] },
      leave_conversation: { summary: 'A member has left.', examples: [{ user_id: BOB }] },
      delete_message: {
        summary: 'A message was deleted.',
        examples: [{ message_group_id: MESSAGE, seq: 19 }],
      },
      start_typing: { summary: 'A member types.', examples: [{ user_id: ANN }] },
      finish_typing: {
        summary:
          'A member no longer types: they said so, 60 seconds have passed, or their last connection has gone.',
        examples: [{ user_id: ANN }],
      },
      read_conversation: {
        summary: 'A member has read further.',
        examples: [{ user_id: BOB, read_seq: 17 }],
      },
      set_encryption_keys: {
        summary: 'A member has set a key for this conversation.',
        examples: [{ user_id: ANN, public_key: PUBLIC_KEY }],
      },
    }),
  }
}

/** Without `after_seq`, with it, and with one that is too old. */
function joinReplies(samples: Samples): [JoinConversationReply, ...JoinConversationReply[]] {
  const { dialect, ann, bob, accountKeys, conversation, message, sentAt, storedKeys } = samples
  const state = {
    conversation,
    users: [ann, bob],
    unread: 1,
    read_seq: 16,
    read_seqs: { [ANN]: 17, [BOB]: 16 },
    read_times: { [ANN]: sentAt, [BOB]: null },
    public_keys: { [ANN]: storedKeys.public },
    account_keys: accountKeys,
    private_key: storedKeys.private,
  }
  const messages = dialect.page({ items: [message], pageToken: null }, (item) => item)
  const changes: ConversationChange[] = [
    { event: 'new_message', payload: { conversation_id: CONVERSATION, message: { ...message, seq: 18 } } },
    { event: 'delete_message', payload: { message_group_id: MESSAGE, seq: 19 } },
  ]
  return [
    { ...state, last_seq: 17, messages },
    { ...state, last_seq: 19, recovered: true, changes },
    { ...state, last_seq: 17, recovered: false, messages },
  ]
}
