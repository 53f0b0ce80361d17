import { Type } from 'typebox'
import { payloadCheck, Text } from '../../input/validation.ts'
import { defineChannel } from '../../realtime/index.ts'
import { SYSTEM_TOPIC } from '../../topics.ts'
import type { ChannelContext } from './context.ts'
import { Alias, KeyPair, UserIds } from './payloads.ts'

const Join = Type.Object({ hidden: Type.Optional(Type.Boolean()) })
const SetHidden = Type.Object({ hidden: Type.Boolean() })
const SetDisplayName = Type.Object({ display_name: Text({ maxLength: 100 }) })
const StartGroup = Type.Object({ user_ids: UserIds, alias: Type.Optional(Alias), ...KeyPair })
const StartPrivate = Type.Object({ other_user_id: Type.String(), ...KeyPair })

/** `system:general` — online presence, settings, and starting conversations. */
export function systemChannel({ services, guard, hiddenUsers }: ChannelContext) {
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
    joined: (channel) => hiddenUsers.joined(channel, channel.state.hidden),
    events: {
      set_hidden: on(SetHidden, (channel, { hidden }) => accounts.setHidden(channel.userId, hidden)),
      set_display_name: on(SetDisplayName, async (channel, payload) => {
        await accounts.setDisplayName(channel.userId, payload.display_name)
      }),
      start_group_conversation: on(StartGroup, async (channel, payload) => {
        const { conversation, memberIds } = await conversations.startGroup(channel.userId, {
          userIds: payload.user_ids,
          alias: payload.alias ?? null,
          publicKey: payload.public_key,
          privateKey: payload.private_key,
        })
        channel.charge(memberIds.length)
        return conversation.id
      }),
      start_private_conversation: on(StartPrivate, async (channel, payload) => {
        const { conversation } = await conversations.startPrivate(channel.userId, {
          otherUserId: payload.other_user_id,
          publicKey: payload.public_key,
          privateKey: payload.private_key,
        })
        return conversation.id
      }),
    },
  })
}
