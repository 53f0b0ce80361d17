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
import type { RoomFeeds } from './room-feeds.ts'

/** Brings what happens in rooms to everyone who is connected to them, over whichever socket, on all nodes. */
export function broadcastRooms(
  endpoint: Endpoint,
  feeds: RoomFeeds,
  events: EventBus,
  names: MediaNames,
): void {
  const tell = (roomId: string, event: RoomEvent) => {
    endpoint.pubsub.broadcast(roomTopic(roomId), event.type, event)
  }
  const tellHere = (roomId: string, event: RoomEvent) => {
    endpoint.pubsub.broadcastHere(roomTopic(roomId), event.type, event)
  }
  events.on('room_message', (message) =>
    feeds.send(message.roomId, message.seq, sentMessageView(message, names)),
  )
  events.on('room_member_removed', ({ roomId, seq, ...user }) => {
    feeds.send(roomId, seq, membershipView(user, 'removed from'), user.userId)
  })
  events.on('room_member_added', ({ roomId, ...user }) => tell(roomId, membershipView(user, 'added to')))
  events.on('room_typing', ({ roomId, ...typing }) => tell(roomId, typingView(typing)))
  // Every node finds these out by itself.
  events.on('room_online', ({ roomId, count }) => tellHere(roomId, onlineView(count)))
  events.on('room_typist_lost', ({ roomId, username }) => {
    tellHere(roomId, typingView({ username, isTyping: false }))
  })
}
