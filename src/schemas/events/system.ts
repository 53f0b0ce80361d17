import { type Static, Type } from 'typebox'
import { eventComponent } from '../components.ts'
import { Id, Text } from '../fields.ts'
import { Alias, MessageSent, OptionalKeyPair, UserIds } from './fields.ts'

/** The payload of a join of `system:general`. */
export const JoinSystem = Type.Object({
  hidden: Type.Optional(
    Type.Boolean({ description: 'For this connection only; the saved setting if absent.' }),
  ),
})

/** What a user pushes to `system:general`, by event. */
export const SystemPushes = {
  set_hidden: Type.Object({ hidden: Type.Boolean({ description: 'Saved.' }) }),
  set_display_name: Type.Object({
    display_name: Text({ maxLength: 100, description: '3 to 20 visible characters.' }),
  }),
  start_group_conversation: Type.Object({
    user_ids: UserIds,
    alias: Type.Optional(Alias),
    ...OptionalKeyPair,
  }),
  start_private_conversation: Type.Object({
    other_user_id: Type.String({ description: 'The id of the other user.' }),
    ...OptionalKeyPair,
  }),
}

/** The response of an ok reply to each push to `system:general`. */
export const SystemReplies = {
  set_hidden: MessageSent,
  set_display_name: MessageSent,
  start_group_conversation: Id,
  start_private_conversation: Id,
} satisfies Record<keyof typeof SystemPushes, unknown>

/** `update_display_name`: a user has another name. */
export const UpdateDisplayNameEvent = eventComponent(
  'UpdateDisplayNameEvent',
  Type.Object({ user_id: Id, display_name: Type.String() }),
)
export type UpdateDisplayNameEvent = Static<typeof UpdateDisplayNameEvent>

/** `presence_state`: who is online, by user id. */
export const PresenceStateEvent = eventComponent(
  'PresenceStateEvent',
  Type.Record(
    Type.String(),
    Type.Object({
      metas: Type.Array(
        Type.Object({
          online_at: Type.String({ description: 'Seconds since 1970, in decimal digits.' }),
          phx_ref: Type.String({ description: 'Identifies the connection. Never used again.' }),
        }),
        { description: 'One for each connection of the user.' },
      ),
    }),
    { description: 'By user id.' },
  ),
)
export type PresenceStateEvent = Static<typeof PresenceStateEvent>

/** `presence_diff`: who came and who went. */
export const PresenceDiffEvent = eventComponent(
  'PresenceDiffEvent',
  Type.Object({ joins: PresenceStateEvent, leaves: PresenceStateEvent }),
)
export type PresenceDiffEvent = Static<typeof PresenceDiffEvent>

/** What the server sends on `system:general`, by event. */
export const SystemEvents = {
  presence_state: PresenceStateEvent,
  presence_diff: PresenceDiffEvent,
  update_display_name: UpdateDisplayNameEvent,
}
