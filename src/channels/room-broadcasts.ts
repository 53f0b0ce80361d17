import type { EventBus } from '../domain/events.ts'
import type { Endpoint } from '../realtime/endpoint.ts'
import {
  type MediaNames,
  membershipView,
  onlineView,
  type RoomEvent,
  roomTopic,
  sentMessageView,
  typingView,
} from '../views/rooms.ts'

/** Brings what happens in rooms to everyone who is connected to them, over whichever socket. */
export function broadcastRooms(endpoint: Endpoint, events: EventBus, names: MediaNames): void {
  const tell = (roomId: string, event: RoomEvent) => {
    endpoint.pubsub.broadcast(roomTopic(roomId), event.type, event)
  }
  events.on('room_message', (message) => tell(message.roomId, sentMessageView(message, names)))
  events.on('room_online', ({ roomId, count }) => tell(roomId, onlineView(count)))
  events.on('room_typing', ({ roomId, ...typing }) => tell(roomId, typingView(typing)))
  events.on('room_member_added', ({ roomId, ...user }) => tell(roomId, membershipView(user, 'added to')))
  events.on('room_member_removed', ({ roomId, ...user }) => {
    tell(roomId, membershipView(user, 'removed from'))
    endpoint.closeChannels(roomTopic(roomId), user.userId)
  })
}
