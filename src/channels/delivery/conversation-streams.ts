import { announcedKeys } from '../../domain/account-keys/announced-keys.ts'
import type { Positions } from '../../realtime/cluster/ordered-delivery.ts'
import type { Services } from '../../services.ts'
import { conversationTopic, userTopic } from '../../topics.ts'
import { newConversationView } from '../../views/conversations.ts'
import type { Dialect } from '../../views/dialect.ts'
import { changeEventView } from '../../views/messages.ts'
import type { MissedEvents, StreamKind, TopicEvent } from './stream-delivery.ts'

/** Streams of conversation changes. Nodes subscribe per user, as messages go to `user:<id>`. */
export function conversationStreams({ conversations, messages }: Services, dialect: Dialect): StreamKind {
  /** The `new_conversation` event that starts a stream that is new to the user; undefined if they are not a member. */
  async function startedEvent(conversationId: string, userId: string): Promise<TopicEvent | undefined> {
    const details = await conversations.find(conversationId, userId)
    if (!details) return undefined
    const memberIds = details.users.map(({ id }) => id)
    const accountKeys = announcedKeys(details.accountKeys, memberIds.length)
    const payload = newConversationView(dialect, { ...details, memberIds, accountKeys })
    return { topic: userTopic(userId), event: 'new_conversation', payload }
  }

  return {
    name: 'user-feed',
    evictedField: 'leaverId',
    owners: 'users',
    topicPrefix: conversationTopic(''),
    userTopicPrefix: userTopic(''),

    async positions(userIds) {
      const positions = new Map<string, Positions>()
      for (const { userId, conversationId, lastSeq } of await messages.positions(userIds)) {
        const known = positions.get(userId)
        if (known) known.push([conversationId, lastSeq])
        else positions.set(userId, [[conversationId, lastSeq]])
      }
      return positions
    },

    async missed(conversationId, after, [userId = '']) {
      const missed = await messages.missed(userId, conversationId, after ?? 0)
      const started = missed && after === undefined ? await startedEvent(conversationId, userId) : undefined
      if (!missed || (after === undefined && !started)) return NOT_A_MEMBER
      const changes = missed.changes.map((change) => ({
        topic: change.kind === 'deleted' ? conversationTopic(conversationId) : userTopic(userId),
        ...changeEventView(dialect, conversationId, change),
      }))
      const { upTo, isLast } = missed
      return { upTo, isLast, memberIds: new Set([userId]), events: started ? [started, ...changes] : changes }
    },
  }
}

const NOT_A_MEMBER: MissedEvents = { upTo: undefined, isLast: true, memberIds: new Set(), events: [] }
