import { Type } from 'typebox'
import { postMediaFrame, readMediaFrame } from '../domain/room-frames.ts'
import type { Visitor } from '../domain/room-life.ts'
import { defineChannel, type EventHandler } from '../realtime/definition.ts'
import { onlineView } from '../views/rooms.ts'
import type { ChannelContext } from './context.ts'
import { concurrently } from './guard.ts'
import { ClientMessageId } from './payloads.ts'

const Typing = Type.Object({ message: Type.String() })
const Message = Type.Object({ message: Type.String(), client_message_id: ClientMessageId })
const Reply = Type.Object({ ...Message.properties, previous_message_id: Type.String() })
const File = Type.Unsafe<Uint8Array>(Type.Refine(Type.Unknown(), (payload) => payload instanceof Uint8Array))

/** `room:<id>` — one room, open to its members; the same as they see over `/ws/chat/<id>/`. */
export function roomChannel({ services, roomGuard: guard }: ChannelContext) {
  const { rooms, roomLife } = services
  const { on, checkToken } = guard

  const file = (type: 'media' | 'reply') =>
    on<Visitor, typeof File>(File, (_channel, visitor, payload) =>
      postMediaFrame(services, visitor, readMediaFrame(payload, type)),
    )
  const text = on<Visitor, typeof Reply>(Reply, async (_channel, { roomId, userId }, payload) => {
    await rooms.post(roomId, userId, {
      text: payload.message,
      previousMessageId: payload.previous_message_id,
      clientMessageId: payload.client_message_id,
    })
  })

  return defineChannel<Visitor>({
    pattern: 'room:*',
    async join(channel, id, payload) {
      checkToken(channel, payload, 'unauthorized')
      const { username } = await rooms.requireMember(id, channel.userId)
      return { state: { roomId: id, userId: channel.userId, username } }
    },
    joined(channel, visitor) {
      const wasTold = roomLife.enter(visitor)
      if (wasTold) return
      const online = onlineView(roomLife.count(visitor.roomId))
      channel.push(online.type, online)
    },
    left: (_channel, visitor) => roomLife.leave(visitor),
    events: {
      message: concurrently(
        on(Message, async (_channel, { roomId, userId }, payload) => {
          const { message, client_message_id: clientMessageId } = payload
          await rooms.post(roomId, userId, { text: message, clientMessageId })
        }),
      ),
      reply: either(file('reply'), text),
      media: file('media'),
      typing: on(Typing, (_channel, visitor, { message }) => roomLife.type(visitor, message === 'typing')),
    },
  })
}

/** One event for bytes, another for JSON, under the same name. */
function either<State>(ofBytes: EventHandler<State>, ofJson: EventHandler<State>): EventHandler<State> {
  return {
    handle: (channel, state, payload) =>
      (payload instanceof Uint8Array ? ofBytes : ofJson).handle(channel, state, payload),
  }
}
