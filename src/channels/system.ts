import { Type } from 'typebox'
import { defineChannel } from '../realtime/definition.ts'
import { payloadCheck, Text } from '../validation.ts'
import type { ChannelContext } from './context.ts'
import { Alias, KeyPair, UserIds } from './payloads.ts'
import { SYSTEM_TOPIC } from './topics.ts'

const Join = Type.Object({ hidden: Type.Optional(Type.Boolean()) })
const SetHidden = Type.Object({ hidden: Type.Boolean() })
const SetDisplayName = Type.Object({ display_name: Text() })
const StartGroup = Type.Object({ user_ids: UserIds, alias: Type.Optional(Alias), ...KeyPair })
const StartPrivate = Type.Object({ other_user_id: Type.String(), ...KeyPair })

/** `system:general` — presence, and what concerns no conversation yet. */
export function systemChannel({ services, guard, broadcasts, visibility }: ChannelContext) {
  const { accounts, conversations } = services
  const { on, checkToken } = guard
  const checkJoin = payloadCheck(Join)

  return defineChannel<{ hidden: boolean }>({
    pattern: SYSTEM_TOPIC,
    async join(channel, _subtopic, payload) {
      checkToken(channel, payload, { reason: 'Invalid Token' })
      const { hidden = (await accounts.find(channel.userId)).hidden } = checkJoin(payload)
      return { state: { hidden } }
    },
    joined: (channel, { hidden }) => visibility.joined(channel, hidden),
    left: (channel) => visibility.left(channel),
    events: {
      set_hidden: on(SetHidden, (channel, _state, { hidden }) => accounts.setHidden(channel.userId, hidden)),
      set_display_name: on(SetDisplayName, async (channel, _state, payload) => {
        const { displayName } = await accounts.setDisplayName(channel.userId, payload.display_name)
        channel.broadcast('update_display_name', { user_id: channel.userId, display_name: displayName })
      }),
      start_group_conversation: on(StartGroup, async (channel, _state, payload) => {
        const started = await conversations.startGroup(channel.userId, {
          userIds: payload.user_ids,
          alias: payload.alias ?? null,
          publicKey: payload.public_key,
          privateKey: payload.private_key,
        })
        return broadcasts.newConversation(started)
      }),
      start_private_conversation: on(StartPrivate, async (channel, _state, payload) => {
        const started = await conversations.startPrivate(channel.userId, {
          otherUserId: payload.other_user_id,
          publicKey: payload.public_key,
          privateKey: payload.private_key,
        })
        return broadcasts.newConversation(started)
      }),
    },
  })
}
