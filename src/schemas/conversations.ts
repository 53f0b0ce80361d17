import { type TObject, Type } from 'typebox'
import { component, componentByContract } from './components.ts'
import { Id, NullableText, Time } from './fields.ts'
import { pageOf } from './pages.ts'
import { UserSummary } from './users.ts'

/** The fields of a conversation that are the same for all members. */
export const conversationFields = {
  id: Id,
  private: Type.Boolean(),
  alias: NullableText('The name of a group.'),
  inserted_at: Time,
  updated_at: Time,
}

/** A conversation in the list of a member. */
export const Conversation = component(
  'Conversation',
  Type.Object({
    ...conversationFields,
    last_seq: Type.Integer({ description: 'The `seq` of the latest change.' }),
    read_seq: Type.Integer({ description: 'The `seq` up to which the user has read.' }),
    unread: Type.Optional(
      Type.Integer({
        description:
          'Messages of other members after `read_seq`, counted among the latest thousand. Absent from a refresh.',
      }),
    ),
  }),
)

/** A page of the user's conversations. */
export const ConversationPage = component(
  'ConversationPage',
  Type.Object(
    {
      items: Type.Array(Conversation),
      users: Type.Array(UserSummary, {
        description: 'The other members of these conversations.',
      }),
      page_token: NullableText('For the next page.'),
    },
    { description: 'One page.' },
  ),
)

export const PrivateConversation = component(
  'PrivateConversation',
  Type.Object(
    { conversation_id: NullableText('Null when there is none.') },
    { description: 'The id of the conversation.' },
  ),
)

/** A message, in the copy of one recipient. */
export const Message = component(
  'Message',
  Type.Object({
    id: Id,
    sender: Id,
    content: Type.String({ description: "Encrypted for the caller, by the sender's client." }),
    shared: Type.Optional(
      Type.String({
        description: 'The ciphertext that the copies of all members refer to, if there is one.',
      }),
    ),
    inserted_at: Time,
    updated_at: Time,
    message_group: Id,
    seq: Type.Integer({ description: 'The position of the message in the order of the conversation.' }),
  }),
)

const ChangeEvent = component(
  'ChangeEvent',
  Type.Object({
    event: Type.Enum(['new_message', 'edit_message', 'delete_message']),
    payload: Type.Unsafe<unknown>({ description: 'The payload of the event, as on the socket.' }),
  }),
)

/** A page of messages, or the changes after `after_seq`. */
export const MessagePage = componentByContract('MessagePage', (contract) => {
  const page = pageOf(contract, 'messages', Message) as TObject
  return Type.Object(
    {
      ...Type.Partial(page).properties,
      recovered: Type.Optional(
        Type.Boolean({
          description:
            'Only with `after_seq`. True: `changes` has every change after it. False: the newest page instead.',
        }),
      ),
      last_seq: Type.Optional(
        Type.Integer({
          description: 'Only with `after_seq`: the `seq` that the response is complete up to.',
        }),
      ),
      changes: Type.Optional(Type.Array(ChangeEvent, { description: 'In the order of `seq`.' })),
    },
    { description: 'One page, or the changes after `after_seq`.' },
  )
})
