import { type TSchema, Type } from 'typebox'
import type { ErrorCode } from '../../../errors.ts'
import { MessageSent } from '../../../schemas/events/fields.ts'
import { MediaMetadata, ReplyMetadata, RoomPushes } from '../../../schemas/events/room.ts'
import { RoomEvents } from '../../../schemas/events/room-events.ts'
import { roomTopic } from '../../../topics.ts'
import {
  describeEvents,
  describeJoin,
  describePushes,
  type PushDescription,
  type TopicDescription,
} from '../description.ts'
import { CLIENT_MESSAGE, ROOM, ROOM_MESSAGE } from '../samples.ts'
import { EVENT_DETAILS } from './room-events.ts'

const MEMBERS_ONLY: ErrorCode[] = ['no_room', 'not_member']
const REPLIES = { message: MessageSent, reply: MessageSent, typing: MessageSent }

/** Describes `room:<id>`. */
export function describeRoomTopic(): TopicDescription {
  const json = describePushes(RoomPushes, REPLIES, {
    message: {
      summary: 'Sends a text.',
      examples: [{ message: 'Hello, World!', client_message_id: CLIENT_MESSAGE }],
      replies: ['message_sent'],
      rules: MEMBERS_ONLY,
    },
    reply: {
      summary: 'Sends a text that replies to a message.',
      examples: [{ message: 'Hello back!', previous_message_id: ROOM_MESSAGE }],
      replies: ['message_sent'],
      rules: [...MEMBERS_ONLY, 'no_message'],
    },
    typing: {
      summary: 'The user types; any `message` but `typing` means that they stopped.',
      examples: [{ message: 'typing' }],
      replies: ['message_sent'],
    },
  })
  return {
    key: 'room',
    address: roomTopic('{room_id}'),
    exampleTopic: roomTopic(ROOM),
    title: 'One room',
    description:
      'Only members may join. The same events as on the room socket, without a second connection. A token in the payload is ' +
      'optional; it is checked if present.',
    parameters: { room_id: 'The id of the room: 21 characters of `A-Za-z0-9_-`.' },
    server: 'socket',
    token: 'optional',
    join: describeJoin(Type.Object({}), Type.Object({}), {
      summary: 'The user is online in the room. `chat.active` follows.',
      examples: [{}],
      replies: [{}],
      codes: ['no_room', 'not_member', 'unauthorized'],
    }),
    pushes: [...json, fileOf('media', MediaMetadata), fileOf('reply', ReplyMetadata)],
    events: describeEvents(RoomEvents, EVENT_DETAILS),
  }
}

function fileOf(event: 'media' | 'reply', metadata: TSchema): PushDescription {
  const isReply = event === 'reply'
  const fields = { media_format: 'image', ...(isReply && { previous_message_id: ROOM_MESSAGE }) }
  return {
    key: `${event}_file`,
    event,
    summary: isReply ? 'Sends a file that replies to a message.' : 'Sends an image, audio or video.',
    payload: Type.String({
      description:
        'A binary payload: a JSON object, the characters `<delimiter>`, and the bytes of the file.',
    }),
    contentType: 'application/octet-stream',
    metadata,
    examples: [`${JSON.stringify(fields)}<delimiter>…the bytes of the file…`],
    reply: MessageSent,
    replyExamples: ['message_sent'],
    errors: {
      codes: [
        ...MEMBERS_ONLY,
        ...(isReply ? (['no_message'] as const) : []),
        ...(['media_refused', 'media_mismatch', 'media_too_large', 'media_quota_used'] as const),
      ],
      reasons: { 'unmatched topic': 'The topic is not joined.' },
    },
  }
}
