import { Type } from 'typebox'
import type { Participant } from '../../domain/presence/room-presence.ts'
import { parseMediaFrame } from '../../input/media-frame.ts'
import { isTyping, messagePostOf, replyPostOf, type TextPost } from '../../input/room-commands.ts'
import { type Channel, defineChannel, type EventHandler } from '../../realtime/index.ts'
import { RoomPushes as Pushes } from '../../schemas/events/room.ts'
import { onlineView } from '../../views/rooms.ts'
import type { ChannelContext } from './context.ts'
import { concurrently } from './guard.ts'

const Bytes = Type.Unsafe<Uint8Array>(Type.Refine(Type.Unknown(), (payload) => payload instanceof Uint8Array))

/** `room:<id>`: one room, open to its members. It has the commands and events of `/ws/chat/<id>/`. */
export function roomChannel({ services, roomGuard: guard }: ChannelContext) {
  const { rooms, roomPresence } = services
  const { on, checkToken } = guard

  const post = async ({ roomId, userId }: Participant, text: TextPost) => {
    await rooms.post(roomId, userId, text)
  }
  const file = (type: 'media' | 'reply') =>
    on<Participant, typeof Bytes>(Bytes, ({ state, userId }, frame) =>
      rooms.postFile(state.roomId, userId, parseMediaFrame(frame, type)),
    )

  return defineChannel<Participant>({
    pattern: 'room:*',
    async join(channel, id, payload) {
      checkToken(channel, payload, 'unauthorized')
      const { username } = await rooms.requireMember(id, channel.userId)
      return { state: { roomId: id, userId: channel.userId, username } }
    },
    joined(channel) {
      const participant = channel.state
      // A changed count is broadcast to the whole room, with this channel.
      if (roomPresence.enter(participant)) return
      const online = onlineView(roomPresence.count(participant.roomId))
      channel.push(online.type, online)
    },
    left: ({ state }) => roomPresence.leave(state),
    audience: (channel) => channel.subscriberCount,
    events: {
      message: concurrently(
        on(Pushes.message, ({ state }: Channel<Participant>, command) => post(state, messagePostOf(command))),
      ),
      reply: bytesOrJson(
        file('reply'),
        on(Pushes.reply, ({ state }: Channel<Participant>, command) => post(state, replyPostOf(command))),
      ),
      media: file('media'),
      typing: on(Pushes.typing, ({ state }, command) => roomPresence.setTyping(state, isTyping(command))),
    },
  })
}

/** Combines two handlers for one event: one for binary payloads, one for JSON. */
function bytesOrJson<State>(bytes: EventHandler<State>, json: EventHandler<State>): EventHandler<State> {
  return {
    handle: (channel, payload, reply) =>
      (payload instanceof Uint8Array ? bytes : json).handle(channel, payload, reply),
  }
}
