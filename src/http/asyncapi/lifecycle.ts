import { Type } from 'typebox'
import { PhxErrorEvent } from '../../schemas/events/protocol.ts'
import type { EventDescription, PushDescription, TopicDescription } from './description.ts'

const leave: PushDescription = {
  event: 'phx_leave',
  summary: 'Leaves the topic. `phx_close` follows the reply.',
  payload: Type.Object({}),
  examples: [{}],
  reply: Type.Object({}),
  replyExamples: [{}],
  errors: undefined,
}

const close: EventDescription = {
  event: 'phx_close',
  summary:
    'The topic is left: the client left it or joined it again, the user was removed, or may never join. Do not rejoin.',
  payload: Type.Object({}),
  examples: [{}],
  kind: 'end',
}

const crash: EventDescription = {
  event: 'phx_error',
  summary: 'A bug in the server, which logs it, has ended the membership of the topic. Rejoin.',
  payload: PhxErrorEvent,
  examples: [{ reason: 'channel_crash' }],
  kind: 'end',
}

/** What clients push to a topic, with its join and leave. */
export function allPushes({ join, pushes }: TopicDescription): PushDescription[] {
  return join ? [join, leave, ...pushes] : pushes
}

/** What the server sends on a topic, with the ends of its channels. Only an event of a client can crash one. */
export function allEvents({ join, pushes, events }: TopicDescription): EventDescription[] {
  if (!join) return events
  return pushes.length > 0 ? [...events, close, crash] : [...events, close]
}
