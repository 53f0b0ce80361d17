import { payloadCheck } from '../../input/validation.ts'
import { defineChannel } from '../../realtime/index.ts'
import { JoinSystem, SystemPushes as Pushes } from '../../schemas/events/system.ts'
import { SYSTEM_TOPIC } from '../../topics.ts'
import type { ChannelContext } from './context.ts'

/** `system:general` — online presence, settings, and starting conversations. */
export function systemChannel({ services, guard, hiddenUsers }: ChannelContext) {
  const { accounts, conversations } = services
  const { on, checkToken } = guard
  const checkJoin = payloadCheck(JoinSystem)

  return defineChannel<{ hidden: boolean }>({
    pattern: SYSTEM_TOPIC,
    async join(channel, _subtopic, payload) {
      checkToken(channel, payload, { reason: 'Invalid Token' })
      const { hidden = (await accounts.find(channel.userId)).hidden } = checkJoin(payload)
      return { state: { hidden } }
    },
    joined: (channel) => hiddenUsers.joined(channel, channel.state.hidden),
    events: {
      set_hidden: on(Pushes.set_hidden, (channel, { hidden }) => accounts.setHidden(channel.userId, hidden)),
      set_display_name: on(Pushes.set_display_name, async (channel, payload) => {
        await accounts.setDisplayName(channel.userId, payload.display_name)
      }),
      start_group_conversation: on(Pushes.start_group_conversation, async (channel, payload) => {
        const { conversation, memberIds } = await conversations.startGroup(channel.userId, {
          userIds: payload.user_ids,
          alias: payload.alias ?? null,
          publicKey: payload.public_key,
          privateKey: payload.private_key,
        })
        channel.charge(memberIds.length)
        return conversation.id
      }),
      start_private_conversation: on(Pushes.start_private_conversation, async (channel, payload) => {
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
