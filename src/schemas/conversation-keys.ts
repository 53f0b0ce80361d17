import { Type } from 'typebox'
import { AccountKeys } from './account-keys.ts'
import { component } from './components.ts'
import { StoredKey } from './events/objects.ts'

/** The public keys of the members of a conversation. */
export const ConversationKeys = component(
  'ConversationKeys',
  Type.Object(
    {
      public_keys: Type.Record(Type.String(), StoredKey, {
        description: 'The keys that members have set for the conversation, by user id.',
      }),
      account_keys: AccountKeys,
    },
    { description: 'The public keys of the members.' },
  ),
)
