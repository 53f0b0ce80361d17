import type { EventBus } from '../../domain/shared/events.ts'
import type { Endpoint } from '../../realtime/socket/endpoint.ts'
import { roomTopic } from '../../topics.ts'
import {
  type MediaNames,
  membershipView,
  onlineView,
  type RoomEvent,
  sentMessageView,
  typingView,
} from '../../views/rooms.ts'
import type { StreamDelivery } from './stream-delivery.ts'

/** Broadcasts room events to everyone connected to the room, over both kinds of socket. */
export function broadcastRoomEvents(
  endpoint: Endpoint,
  delivery: StreamDelivery,
  events: EventBus,
  names: MediaNames,
): void {
  const { pubsub } = endpoint
  const send = (roomId: string, seq: number | null, payload: RoomEvent, evictedId?: string) => {
    const to = { stream: roomId, seq, owners: [roomId], topic: roomTopic(roomId) }
    delivery.send({ ...to, event: payload.type, payload: () => payload, evictedId })
  }
  const broadcast = (roomId: string, event: RoomEvent) => {
    pubsub.broadcast(roomTopic(roomId), event.type, event)
  }
  const broadcastLocally = (roomId: string, event: RoomEvent) => {
    pubsub.broadcastLocally(roomTopic(roomId), event.type, event)
  }

  events.on('room_message', (message) => send(message.roomId, message.seq, sentMessageView(message, names)))
  events.on('room_member_removed', ({ roomId, seq, ...user }) => {
    send(roomId, seq, membershipView(user, 'removed from'), user.userId)
  })
  events.on('room_member_added', ({ roomId, ...user }) => broadcast(roomId, membershipView(user, 'added to')))
  events.on('room_typing', ({ roomId, ...typing }) => broadcast(roomId, typingView(typing)))
  // Every node emits these for its own clients.
  events.on('room_online', ({ roomId, count }) => broadcastLocally(roomId, onlineView(count)))
  events.on('room_typing_lost', ({ roomId, username }) => {
    broadcastLocally(roomId, typingView({ username, isTyping: false }))
  })
}
