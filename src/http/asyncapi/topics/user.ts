import { Type } from 'typebox'
import { UserEvents } from '../../../schemas/events/user.ts'
import { userTopic } from '../../../topics.ts'
import { describeEvents, describeJoin, type TopicDescription } from '../description.ts'
import { ANN, BOB, CONVERSATION, type Samples } from '../samples.ts'

/** Describes `user:<id>`. */
export function describeUserTopic({ accountKeys, conversation, message }: Samples): TopicDescription {
  return {
    key: 'user',
    address: userTopic('{user_id}'),
    exampleTopic: userTopic(BOB),
    title: 'What is meant for one user',
    description:
      'Only the user may join. Messages are delivered here, because every member receives another copy, also to users who ' +
      'have not joined the topic of the conversation. Clients push nothing.',
    parameters: { user_id: 'The id of the user, in lower case.' },
    server: 'socket',
    token: 'required',
    join: describeJoin(Type.Object({}), Type.Object({}), {
      summary: 'Join it first after connecting, so that no message is missed.',
      examples: [{}],
      replies: [{}],
      reasons: { unauthorized: 'The token is missing or not valid, or it is the topic of another user.' },
    }),
    pushes: [],
    events: describeEvents(UserEvents, {
      new_conversation: {
        summary:
          'The user is a member of a new conversation, or the members or the alias of a known one changed. Replaces what the client has.',
        examples: [{ conversation, user_ids: [ANN, BOB], account_keys: accountKeys }],
      },
      new_message: {
        summary: 'A message was sent in one of the user’s conversations.',
        examples: [
          { conversation_id: CONVERSATION, message },
          { conversation_id: CONVERSATION, message: { ...message, shared: 'the ciphertext of all' } },
        ],
      },
      edit_message: {
        summary: 'A message was edited. It keeps its `seq`; the edit has one of its own.',
        examples: [{ conversation_id: CONVERSATION, message, seq: 18 }],
      },
      keys_changed: {
        summary:
          'The user, or someone in one of their conversations, has another key set. Read and verify what is new in the history.',
        examples: [{ user_id: ANN, version: 2, thumbprint: 'cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s' }],
      },
    }),
  }
}
