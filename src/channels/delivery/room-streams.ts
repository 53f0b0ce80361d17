import type { Services } from '../../services.ts'
import { roomTopic } from '../../topics.ts'
import { sentMessageView } from '../../views/rooms.ts'
import type { StreamKind } from './stream-delivery.ts'

/** Streams of room messages and removals of members. */
export function roomStreams({ roomCatchUp, media }: Services): StreamKind {
  return {
    name: 'room-feed',
    evictedField: 'removedId',
    owners: 'streams',
    topicPrefix: roomTopic(''),

    async positions(roomIds) {
      const found = await roomCatchUp.positions(roomIds)
      return new Map(found.map(({ id, lastSeq }) => [id, [[id, lastSeq]]]))
    },

    async missed(roomId, after, userIds) {
      if (after === undefined) {
        // The stream is new to this node. Clients read the history over HTTP after they join.
        const [position] = await roomCatchUp.positions([roomId])
        return position && { upTo: position.lastSeq, isLast: true, memberIds: new Set(userIds), events: [] }
      }
      const missed = await roomCatchUp.missed(roomId, after, userIds)
      const topic = roomTopic(roomId)
      return (
        missed && {
          ...missed,
          events: missed.messages.map((message) => {
            const payload = sentMessageView(message, media)
            return { topic, event: payload.type, payload }
          }),
        }
      )
    },
  }
}
