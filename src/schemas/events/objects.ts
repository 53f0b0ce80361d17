import { type Static, Type } from 'typebox'
import type { Contract } from '../../contract.ts'
import { componentByContract, eventComponent } from '../components.ts'
import { conversationFields } from '../conversations.ts'

/** A conversation in events, which are the same for all members. */
export const ConversationSummary = eventComponent('ConversationSummary', Type.Object(conversationFields))
export type ConversationSummary = Static<typeof ConversationSummary>

const storedKeys = {
  documented: { type: 'object', additionalProperties: true, description: 'A JWK, as its owner sent it.' },
  legacy: Type.Object(
    {
      ...Object.fromEntries(
        'alg d dp dq e ext key_ops kty n p q qi'.split(' ').map((name) => [name, Type.Unknown()]),
      ),
      type: Type.Enum(['public', 'private']),
      user_id: Type.String({ format: 'uuid' }),
    },
    { description: 'A JWK with these fields, null if its owner did not send them.' },
  ),
} satisfies Record<Contract, object>

/** A key that a member has set for a conversation. */
export const StoredKey = componentByContract<Record<string, unknown>>('StoredKey', (contract) =>
  Type.Unsafe(storedKeys[contract]),
)
export type StoredKey = Static<typeof StoredKey>
