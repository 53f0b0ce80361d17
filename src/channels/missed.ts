import type { Positions } from '../realtime/feeds.ts'
import type { Services } from '../services.ts'
import { newConversationView } from '../views/conversations.ts'
import type { Dialect } from '../views/dialect.ts'
import { changeEventView } from '../views/messages.ts'
import { sentMessageView } from '../views/rooms.ts'
import type { ChangeStore, MissedChanges } from './conversation-feeds.ts'
import type { RoomStore } from './room-feeds.ts'
import { conversationTopic, userTopic } from './topics.ts'

/** What was missed in conversations, as the events that would have told it. */
export function missedChanges({ conversations, messages }: Services, dialect: Dialect): ChangeStore {
  return {
    async positions(userIds) {
      const positions = new Map<string, Positions>()
      for (const { userId, conversationId, lastSeq } of await messages.positions(userIds)) {
        const known = positions.get(userId)
        if (known) known.push([conversationId, lastSeq])
        else positions.set(userId, [[conversationId, lastSeq]])
      }
      return positions
    },
    async changes(userId, conversationId, after) {
      const missed = await messages.missed(userId, conversationId, after ?? 0)
      if (!missed) return undefined
      const events: MissedChanges['events'] = []
      if (after === undefined) {
        const known = await conversations.find(conversationId, userId)
        if (!known) return undefined
        const memberIds = known.users.map(({ id }) => id)
        const payload = newConversationView(dialect, known.conversation, memberIds)
        events.push({ topic: userTopic(userId), event: 'new_conversation', payload })
      }
      for (const change of missed.changes) {
        const topic = change.kind === 'deleted' ? conversationTopic(conversationId) : userTopic(userId)
        events.push({ topic, ...changeEventView(dialect, conversationId, change) })
      }
      return { ...missed, events }
    },
  }
}

/** What was missed in rooms, as the events that would have told it. */
export function missedInRooms({ roomCatchUp, media }: Services): RoomStore {
  return {
    async positions(roomIds) {
      const found = await roomCatchUp.positions(roomIds)
      return new Map(found.map(({ id, lastSeq }) => [id, [[id, lastSeq]]]))
    },
    async missed(roomId, after, userIds) {
      const missed = await roomCatchUp.missed(roomId, after, userIds)
      return (
        missed && { ...missed, events: missed.messages.map((message) => sentMessageView(message, media)) }
      )
    },
  }
}
