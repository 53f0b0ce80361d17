import { type Static, Type } from 'typebox'
import { eventComponent } from '../components.ts'
import { Message } from '../conversations.ts'
import { Id, Time } from '../fields.ts'

const message = { conversation_id: Id, message: Message }

/** `new_message`, on the `user:<id>` of each member. */
export const NewMessageEvent = eventComponent('NewMessageEvent', Type.Object(message))
export type NewMessageEvent = Static<typeof NewMessageEvent>

/** `edit_message`, on the `user:<id>` of each member. */
export const EditMessageEvent = eventComponent(
  'EditMessageEvent',
  Type.Object({ ...message, seq: Type.Integer({ description: 'The `seq` of the edit.' }) }),
)
export type EditMessageEvent = Static<typeof EditMessageEvent>

/** `delete_message`, on the topic of the conversation. */
export const DeleteMessageEvent = eventComponent(
  'DeleteMessageEvent',
  Type.Object({
    message_group_id: Id,
    seq: Type.Integer({ description: 'The `seq` of the deletion.' }),
  }),
)
export type DeleteMessageEvent = Static<typeof DeleteMessageEvent>

/** A missed change, in the form of the event that was sent for it. */
export const ConversationChange = eventComponent(
  'ConversationChange',
  Type.Union([
    Type.Object({ event: Type.Literal('new_message'), payload: NewMessageEvent }),
    Type.Object({ event: Type.Literal('edit_message'), payload: EditMessageEvent }),
    Type.Object({ event: Type.Literal('delete_message'), payload: DeleteMessageEvent }),
  ]),
)
export type ConversationChange = Static<typeof ConversationChange>

/** The reply to an edit or deletion with `return_seq`. */
export const ChangedMessage = eventComponent(
  'ChangedMessage',
  Type.Object(
    { message_group: Id, seq: Type.Integer({ description: 'The `seq` of the change.' }) },
    { description: 'With `return_seq`.' },
  ),
)
export type ChangedMessage = Static<typeof ChangedMessage>

/** The reply to a send with a `client_message_id`. */
export const SentMessage = eventComponent(
  'SentMessage',
  Type.Object(
    {
      message_group: Id,
      seq: Type.Integer({ description: 'The `seq` of the message.' }),
      inserted_at: Time,
    },
    { description: 'With a `client_message_id`: the same each time the message is sent.' },
  ),
)
export type SentMessage = Static<typeof SentMessage>
