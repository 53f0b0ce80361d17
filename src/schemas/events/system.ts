import { Type } from 'typebox'
import { Text } from '../fields.ts'
import { Alias, KeyPair, UserIds } from './fields.ts'

/** The payload of a join of `system:general`. */
export const JoinSystem = Type.Object({ hidden: Type.Optional(Type.Boolean()) })

/** What a user pushes to `system:general`, by event. */
export const SystemPushes = {
  set_hidden: Type.Object({ hidden: Type.Boolean() }),
  set_display_name: Type.Object({ display_name: Text({ maxLength: 100 }) }),
  start_group_conversation: Type.Object({ user_ids: UserIds, alias: Type.Optional(Alias), ...KeyPair }),
  start_private_conversation: Type.Object({ other_user_id: Type.String(), ...KeyPair }),
}
