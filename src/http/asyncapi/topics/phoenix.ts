import { Type } from 'typebox'
import type { TopicDescription } from '../description.ts'

/** Describes the topic of heartbeats, which needs no join. */
export function describePhoenixTopic(): TopicDescription {
  return {
    key: 'phoenix',
    address: 'phoenix',
    exampleTopic: 'phoenix',
    title: 'The connection itself',
    description:
      'Needs no join. The server closes a connection from which no frame comes for 75 seconds, with code 1001.',
    parameters: {},
    server: 'socket',
    token: 'none',
    pushes: [
      {
        event: 'heartbeat',
        summary: 'Keeps the connection open.',
        payload: Type.Object({}),
        examples: [{}],
        reply: Type.Object({}),
        replyExamples: [{}],
        errors: { codes: [], reasons: {} },
      },
    ],
    events: [],
  }
}
