import type { Dialect } from '../../../views/dialect.ts'
import type { TopicDescription } from '../description.ts'
import { createSamples } from '../samples.ts'
import { describeConversationTopic } from './conversation.ts'
import { describePhoenixTopic } from './phoenix.ts'
import { describeRoomTopic } from './room.ts'
import { describeRoomSocket } from './room-socket.ts'
import { describeSystemTopic } from './system.ts'
import { describeUserTopic } from './user.ts'

/** Describes everything that travels over the sockets, with examples in a dialect. */
export function describeTopics(dialect: Dialect): TopicDescription[] {
  const samples = createSamples(dialect)
  return [
    describeSystemTopic(),
    describeUserTopic(samples),
    describeConversationTopic(samples),
    describeRoomTopic(),
    describePhoenixTopic(),
    describeRoomSocket(),
  ]
}
