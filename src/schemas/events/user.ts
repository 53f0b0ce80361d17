import { type Static, Type } from 'typebox'
import { eventComponent } from '../components.ts'
import { Id } from '../fields.ts'
import { EditMessageEvent, NewMessageEvent } from './messages.ts'
import { ConversationSummary } from './objects.ts'

/** `new_conversation`: a conversation that is new to the user, or whose members or alias changed. */
export const NewConversationEvent = eventComponent(
  'NewConversationEvent',
  Type.Object({
    conversation: ConversationSummary,
    user_ids: Type.Array(Id, { description: 'All members, the user included.' }),
  }),
)
export type NewConversationEvent = Static<typeof NewConversationEvent>

/** What the server sends on `user:<id>`, by event. */
export const UserEvents = {
  new_conversation: NewConversationEvent,
  new_message: NewMessageEvent,
  edit_message: EditMessageEvent,
}
