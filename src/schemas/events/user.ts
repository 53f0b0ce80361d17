import { type Static, Type } from 'typebox'
import { AccountKeys } from '../account-keys.ts'
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
    account_keys: Type.Optional(AccountKeys),
  }),
)
export type NewConversationEvent = Static<typeof NewConversationEvent>

/** `keys_changed`: the user, or someone in one of their conversations, has another key set. */
export const KeysChangedEvent = eventComponent(
  'KeysChangedEvent',
  Type.Object({
    user_id: Id,
    version: Type.Integer({ description: 'The version of the key set.' }),
    thumbprint: Type.String({ description: 'Of both keys and the user id: SHA-256 in base64url.' }),
  }),
)
export type KeysChangedEvent = Static<typeof KeysChangedEvent>

/** What the server sends on `user:<id>`, by event. */
export const UserEvents = {
  new_conversation: NewConversationEvent,
  new_message: NewMessageEvent,
  edit_message: EditMessageEvent,
  keys_changed: KeysChangedEvent,
}
